// swift-tools-version: 6.2
import PackageDescription

let package = Package(
  name: "sdlens",
  products: [.executable(name: "sdlens", targets: ["sdlens"])],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.5.0")
  ],
  targets: [
    // System libraries: a module map each, no code.
    .systemLibrary(
      name: "COpenBLAS", pkgConfig: "openblas", providers: [.apt(["libopenblas-dev"])]),
    .systemLibrary(name: "CPNG", pkgConfig: "libpng", providers: [.apt(["libpng-dev"])]),

    .target(name: "CKernels"),
    .target(name: "SDLensCore", dependencies: ["COpenBLAS", "CPNG", "CKernels"]),
    .target(
      name: "SDLensDiffusion", dependencies: ["SDLensCore"], resources: [.copy("Models")]),

    .executableTarget(
      name: "sdlens",
      dependencies: [
        "SDLensCore", "SDLensDiffusion",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ]),

    .executableTarget(
      name: "sdlens-bench",
      dependencies: [
        "SDLensCore", "SDLensDiffusion",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ]),

    .target(name: "SDLensTestSupport", dependencies: ["SDLensCore"], path: "Tests/SDLensTestSupport"),
    .testTarget(
      name: "SDLensCoreTests", dependencies: ["CKernels", "SDLensCore", "SDLensTestSupport"],
      exclude: ["Goldens"]),
    .testTarget(
      name: "SDLensDiffusionTests", dependencies: ["SDLensDiffusion", "SDLensTestSupport"],
      exclude: ["Goldens"]),
    .testTarget(
      name: "SDLensCommandTests", dependencies: ["sdlens", "SDLensCore", "SDLensTestSupport"],
      exclude: ["Expected"]),
  ],
  swiftLanguageModes: [.v6]
)
