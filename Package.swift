// swift-tools-version: 6.2
import PackageDescription

let package = Package(
  name: "sdlens",
  products: [
    .executable(name: "sdlens", targets: ["sdlens"]),
    .library(name: "SDLensCore", targets: ["SDLensCore"]),
    .library(name: "SDLensDiffusion", targets: ["SDLensDiffusion"]),
    .library(name: "SDLensSparse", targets: ["SDLensSparse"]),
    .library(name: "SDLensDrawing", targets: ["SDLensDrawing"]),
    .library(name: "SDLensEncoders", targets: ["SDLensEncoders"]),
    .library(name: "SDLensShapes", targets: ["SDLensShapes"]),
    .library(name: "SDLensStudy", targets: ["SDLensStudy"]),
    .library(name: "SDLensExplore", targets: ["SDLensExplore"]),
    .library(name: "SDLensCommands", targets: ["SDLensCommands"]),
  ],
  traits: [
    .trait(
      name: "MPI",
      description: "train-sae shares a training out among the processes of mpirun; needs libopenmpi-dev")
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.5.0")
  ],
  targets: [
    // A target names every module that it imports, also those that another brings along: a build that goes on would not
    // compile it anew when only such a one has changed (`PackageTests` looks).
    // System libraries: a module map each, no code.
    .systemLibrary(
      name: "COpenBLAS", pkgConfig: "openblas", providers: [.apt(["libopenblas-dev"])]),
    .systemLibrary(name: "CLAPACKE", pkgConfig: "lapacke", providers: [.apt(["liblapacke-dev"])]),
    .systemLibrary(name: "CPNG", pkgConfig: "libpng", providers: [.apt(["libpng-dev"])]),
    .systemLibrary(name: "CArchive", pkgConfig: "libarchive", providers: [.apt(["libarchive-dev"])]),
    .systemLibrary(name: "CCurl", pkgConfig: "libcurl", providers: [.apt(["libcurl4-openssl-dev"])]),
    .systemLibrary(name: "CCairo", pkgConfig: "pangocairo", providers: [.apt(["libpango1.0-dev"])]),
    .systemLibrary(name: "CMPI", pkgConfig: "ompi-c", providers: [.apt(["libopenmpi-dev"])]),

    .target(name: "CKernels"),
    .target(name: "CProcess"),
    .target(name: "SDLensCore", dependencies: ["COpenBLAS", "CLAPACKE", "CPNG", "CKernels"]),
    .target(
      name: "SDLensDiffusion", dependencies: ["SDLensCore"], resources: [.copy("Models")]),
    .target(name: "SDLensSparse", dependencies: ["SDLensCore", "CKernels", "CArchive"]),
    .target(name: "SDLensDrawing", dependencies: ["SDLensCore", "CCairo"]),
    .target(name: "SDLensEncoders", dependencies: ["SDLensCore", "SDLensDiffusion", "CKernels"]),
    .target(name: "SDLensShapes", dependencies: ["SDLensCore", "SDLensDiffusion"]),
    .target(
      name: "SDLensStudy",
      dependencies: [
        "SDLensCore", "SDLensDiffusion", "SDLensSparse", "SDLensDrawing", "SDLensEncoders", "SDLensShapes",
        "CCurl",
      ]),

    .target(
      name: "SDLensExplore",
      dependencies: ["SDLensCore", "SDLensDiffusion", "SDLensShapes", "SDLensSparse", "SDLensStudy"],
      resources: [.copy("Page")]),

    .target(
      name: "SDLensCommands",
      dependencies: [
        "CProcess", "SDLensCore", "SDLensDiffusion", "SDLensExplore", "SDLensSparse", "SDLensDrawing",
        "SDLensEncoders", "SDLensShapes", "SDLensStudy",
        .target(name: "CMPI", condition: .when(traits: ["MPI"])),
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ]),

    .executableTarget(name: "sdlens", dependencies: ["SDLensCommands"]),

    .executableTarget(
      name: "sdlens-bench",
      dependencies: [
        "SDLensCore", "SDLensDiffusion", "SDLensSparse", "SDLensStudy",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ]),

    .target(
      name: "SDLensTestSupport", dependencies: ["SDLensCore", "SDLensSparse"], path: "Tests/SDLensTestSupport"
    ),
    .testTarget(
      name: "SDLensCoreTests", dependencies: ["CKernels", "SDLensCore", "SDLensTestSupport"],
      exclude: ["Goldens"]),
    .testTarget(
      name: "SDLensDiffusionTests", dependencies: ["SDLensCore", "SDLensDiffusion", "SDLensTestSupport"],
      exclude: ["Goldens"]),
    .testTarget(
      name: "SDLensSparseTests",
      dependencies: ["CKernels", "SDLensCore", "SDLensSparse", "SDLensTestSupport"],
      exclude: ["Goldens"]),
    .testTarget(
      name: "SDLensStudyTests",
      dependencies: [
        "SDLensCore", "SDLensDiffusion", "SDLensDrawing", "SDLensEncoders", "SDLensShapes", "SDLensSparse",
        "SDLensStudy", "SDLensTestSupport",
      ],
      exclude: ["Goldens"]),
    .testTarget(
      name: "SDLensCommandTests",
      dependencies: [
        "sdlens", "SDLensCommands", "SDLensCore", "SDLensDiffusion", "SDLensSparse", "SDLensStudy",
        "SDLensTestSupport",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      exclude: ["Expected"]),
  ],
  swiftLanguageModes: [.v6]
)

// The fuzz targets need libFuzzer and the flags of `Scripts/fuzz`.
if let runtime = Context.environment["SDLENS_FUZZER"] {
  package.targets += [
    .systemLibrary(name: "CFuzzer", path: "Fuzz/CFuzzer"),
    .executableTarget(
      name: "sdlens-fuzz",
      dependencies: [
        "CFuzzer", "SDLensCommands", "SDLensCore", "SDLensDiffusion", "SDLensSparse", "SDLensStudy",
        "SDLensExplore",
      ],
      path: "Fuzz/sdlens-fuzz", linkerSettings: [.unsafeFlags([runtime, "-lstdc++"])]),
  ]
}
