import Foundation
import SDLensCore
import SDLensTestSupport
import Testing

/// `generate --init-image`, `features --image`, and what the model is told of sizes.
@Suite struct ImageTests {
  private static let goldens = Goldens(
    beside: URL(fileURLWithPath: Command.tinyModel).deletingLastPathComponent().path)
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private static func tensors(_ name: String) throws -> Safetensors {
    try Safetensors(
      contentsOf: URL(fileURLWithPath: Command.tinyModel).deletingLastPathComponent().path + "/\(name)")
  }

  /// Writes the picture of a run of diffusers, as it was given.
  private func writePicture(of run: String) throws {
    let samples = try Self.tensors("image-to-image.safetensors").tensor("\(run).picture")
    let picture = Picture(
      width: samples.shape[1], height: samples.shape[0], samples: samples.elements.map { UInt8($0) })
    try PNG.write(picture, to: folder("photo.png"))
  }

  private func generate(_ arguments: String...) throws -> Outcome {
    try Command.run(["generate", "--model", Command.tinyModel] + arguments, in: folder)
  }

  private func text(_ keyword: String, of file: String = "picture.png") throws -> String? {
    try PNG.text(of: folder(file)).first { $0.keyword == keyword }?.text
  }

  // StableDiffusionXLImg2ImgPipeline(…)(prompt, image=…, num_inference_steps=4, strength=0.8)
  @Test func aPictureOfAnotherSizeIsShrunkAsDiffusersDoes() throws {
    try writePicture(of: "resized")
    let outcome = try generate(
      "--prompt", "An oil painting of a dog on the beach, highly detailed!!!", "--init-image", "photo.png",
      "--strength", "0.8", "--steps", "4", "--tensors", "run.safetensors")
    #expect(outcome.status == 0, "\(outcome.err)")
    #expect(
      outcome.err.contains(
        "'photo.png', 70 × 53, is brought to 64 × 48, not cropped: sides must be multiples of 8\n"))
    #expect(
      outcome.err.contains(
        "The picture is noised to training step 749: of 4 steps with strength 0.8 the last 3 are taken\n"))
    let (found, wanted) = (
      try Safetensors(contentsOf: folder("run.safetensors")), try Self.tensors("image-to-image.safetensors")
    )
    for (ours, theirs, tolerance) in [
      ("init_latents", "initial", 1e-5), ("latents", "latents.2", 2e-5), ("image", "image", 3e-5),
    ] as [(String, String, Float)] {
      expectClose(try found.tensor(ours), try wanted.tensor("resized.\(theirs)"), within: tolerance, ours)
    }
    #expect(try text("init_image")?.wholeMatch(of: /photo\.png [0-9a-f]{16}/) != nil)
    #expect(try text("strength") == "0.8")
    #expect(try text("width") == nil && PNG.read(folder("picture.png")).width == 64)
    // A size that was chosen.
    let chosen = try generate(
      "--prompt", "x", "--init-image", "photo.png", "--steps", "2", "--width", "32", "--height", "40",
      "--output",
      "b.png")
    #expect(
      chosen.err.contains("'photo.png', 70 × 53, is brought to 32 × 40, not cropped\n"), "\(chosen.err)")
    #expect(try text("strength", of: "b.png") == "0.5")
    #expect(try PNG.read(folder("b.png")).height == 40)
  }

  // DDIMInverseScheduler, then DDIMScheduler: the run `changed` of Scripts/goldens/inversion.py
  @Test func aPictureIsTakenBackToItsNoise() throws {
    let wanted = try Self.tensors("inversion.safetensors")
    let samples = try wanted.tensor("changed.picture")
    try PNG.write(
      Picture(width: 48, height: 48, samples: samples.elements.map { UInt8($0) }), to: folder("photo.png"))
    let prompt = "An oil painting of a dog on the beach, highly detailed!!!"
    let outcome = try generate(
      "--prompt", prompt, "--init-image", "photo.png", "--invert", "--source-prompt", "a photo of a cat",
      "--sampler", "ddim", "--steps", "4", "--guidance", "2", "--tensors", "run.safetensors")
    #expect(outcome.status == 0, "\(outcome.err)")
    #expect(
      outcome.err.contains(
        "The picture is inverted to training step 999: of 4 steps with strength 1.0 the last 4 are taken\n"))
    let found = try Safetensors(contentsOf: folder("run.safetensors"))
    for (ours, theirs) in [
      ("init_latents", "initial"), ("inversion.0", "inversion.0"), ("noise", "inversion.3"),
      ("latents", "latents.3"), ("image", "image"),
    ] {
      expectClose(try found.tensor(ours), try wanted.tensor("changed.\(theirs)"), within: 1e-4, ours)
    }
    #expect(try text("source_prompt") == "a photo of a cat" && text("source_guidance") == "0.0")
    #expect(try text("strength") == "1.0" && text("sampler") == "ddim")
    let euler = try generate("--prompt", "x", "--init-image", "photo.png", "--invert", "--steps", "4")
    #expect(
      euler.err.hasSuffix(
        "Error: a picture is inverted along the steps of ddim without fresh noise, but the sampler is "
          + "EulerAncestralDiscreteScheduler; give --sampler ddim\n"), "\(euler.err)")
  }

  /// A picture that shapes made comes back with its own prompt, and changes with another.
  @Test func anInvertedPictureComesBack() throws {
    let red = "a large red circle in the center on a blue background"
    let ddim = ["--sampler", "ddim", "--steps", "8", "--quiet", "--force"]
    #expect(
      try Command.run(["generate", "--prompt", red, "--output", "a.png"] + ddim, in: folder).status == 0)
    func change(_ prompt: String) throws -> Double {
      let again = try Command.run(
        [
          "generate", "--prompt", prompt, "--init-image", "a.png", "--invert", "--source-prompt", red,
          "--output", "b.png",
        ] + ddim, in: folder)
      #expect(again.status == 0, "\(again.err)")
      let (a, b) = (try PNG.read(folder("a.png")).samples, try PNG.read(folder("b.png")).samples)
      return zip(a, b).reduce(0) { $0 + Double(abs(Int($1.0) - Int($1.1))) } / Double(a.count)
    }
    // 2.4 and 14.6 grey levels.
    let (same, other) = (try change(red), try change(red.replacing("red", with: "green")))
    #expect(same < 4 && other > 10, "\(same) and \(other) grey levels")
  }

  /// A dictionary is of the model however it is sampled, so that its features are seen along an inversion.
  @Test func theFeaturesOfAnInvertedPicture() throws {
    let workspace = try TrainedWorkspace()
    let first = try Self.tensors("image-to-image.safetensors").tensor("four.picture")
    try PNG.write(
      Picture(width: 64, height: 64, samples: first.elements.map { UInt8($0) }), to: workspace.folder("a.png")
    )
    func features(_ arguments: String...) throws -> String {
      let outcome = try workspace.run(
        "features",
        ["--block", "up.0.1", "--image", "a.png", "--sampler", "ddim", "--steps", "4", "--json", "--force"]
          + arguments)
      #expect(outcome.status == 0, "\(outcome.err)")
      return outcome.out
    }
    #expect(try features("--invert") != features())
  }

  @Test func theModelIsToldOfSizes() throws {
    let sizes = ["--original-size", "160x128", "--crop", "8,20", "--target-size", "72x96"]
    let outcome = try Command.run(
      [
        "generate", "--model", Command.tinyModel, "--prompt", "a photo of a cat", "--width", "64", "--height",
        "48",
        "--tensors", "run.safetensors", "--quiet",
      ] + sizes, in: folder)
    #expect(outcome.status == 0, "\(outcome.err)")
    let found = try Safetensors(contentsOf: folder("run.safetensors"))
    let wanted = try Self.tensors("image-to-image.safetensors")
    expectClose(try found.tensor("latents"), try wanted.tensor("sizes.latents.0"), within: 2e-5, "latents")
    #expect(
      try text("original_size") == "160x128" && text("crop") == "8,20" && text("target_size") == "72x96")
    let plain = try generate("--prompt", "x", "--output", "plain.png", "--quiet", "--original-size", "64")
    #expect(plain.status == 0)
    #expect(try text("original_size", of: "plain.png") == "64x64" && text("crop", of: "plain.png") == nil)
  }

  @Test func theFeaturesOfAPicture() throws {
    let workspace = try TrainedWorkspace()
    func features(_ arguments: String...) throws -> Outcome {
      try workspace.run("features", ["--block", "up.0.1", "--top", "2", "--json"] + arguments)
    }
    let first = try Self.tensors("image-to-image.safetensors").tensor("four.picture")
    let picture = Picture(width: 64, height: 64, samples: first.elements.map { UInt8($0) })
    try PNG.write(picture, to: workspace.folder("photo.png"))
    let inverse = Picture(width: 64, height: 64, samples: picture.samples.map { 255 - $0 })
    try PNG.write(inverse, to: workspace.folder("other.png"))

    let outcome = try features("--image", "photo.png", "--steps", "4", "--strength", "0.25")
    #expect(outcome.status == 0, "\(outcome.err)")
    #expect(
      outcome.err.contains(
        "The picture is noised to training step 249: of 4 steps with strength 0.25 the last is taken\n"))
    #expect(outcome.out.contains(#""prompt" : """#), "\(outcome.out)")
    #expect(outcome.out.firstMatch(of: /"image" : "photo\.png [0-9a-f]{16}"/) != nil, "\(outcome.out)")
    let texts = try PNG.text(of: workspace.folder("features.png"))
    #expect(texts.contains { $0.keyword == "strength" && $0.text == "0.25" })
    func strengths(_ outcome: Outcome) -> [Substring] {
      outcome.out.matches(of: /"strength" : ([0-9.e-]+)/).map(\.output.1)
    }
    let other = try features("--image", "other.png", "--steps", "4", "--strength", "0.25", "--quiet")
    #expect(strengths(outcome).count == 2 && strengths(outcome) != strengths(other))
    // Without a strength, the first step of the model.
    let usual = try features("--image", "photo.png", "--prompt", "a cat")
    #expect(
      usual.err.contains(
        "The picture is noised to training step 999: of 1 step with strength 1.0 the last is taken\n"),
      "\(usual.err)")
    let late = try features("--image", "photo.png", "--steps", "4", "--strength", "0.5", "--at-step", "2")
    #expect(
      late.err.hasSuffix("Error: at-step is 2, but it must be from 0 to 1, the steps that are taken\n"),
      "\(late.err)")
  }

  struct Refusal: CustomTestStringConvertible, Sendable {
    let arguments: [String]
    let status: Int32
    let message: String
    var testDescription: String { arguments.joined(separator: " ") }

    init(_ arguments: [String], _ status: Int32, _ message: String) {
      (self.arguments, self.status, self.message) = (arguments, status, message)
    }
  }

  static let refusals: [Refusal] = [
    Refusal(
      ["--strength", "0.5"], 64,
      "--strength says how much --init-image is changed; give a picture with --init-image"
    ),
    Refusal(["--invert"], 64, "--invert takes a picture back to its noise; give one with --init-image"),
    Refusal(
      ["--init-image", "photo.png", "--invert", "--count", "2"], 64,
      "--invert adds no noise, so that all seeds make one picture; leave --count out"),
    Refusal(
      ["--init-image", "photo.png", "--source-prompt", ""], 64,
      "--source-prompt belongs to --invert; give --invert, or leave it out"),
    Refusal(
      ["--init-image", "photo.png", "--invert", "--source-guidance", "-1"], 64,
      "source-guidance is -1.0, but it must be from 0 to 1000 (above 1 it acts)"),
    Refusal(
      ["--init-image", "photo.png", "--strength", "1.5"], 64, "strength is 1.5, but it must be from 0 to 1"),
    Refusal(
      ["--init-image", "photo.png"], 1,
      "with strength 0.5, none of 1 step is taken (the last ⌊steps · strength⌋ are): give --steps 2 or more, or a larger "
        + "--strength"
    ),
    Refusal(["--init-image", "none.png", "--steps", "2"], 1, "'none.png' does not exist; check the path"),
    Refusal(
      ["--init-image", "photo.jpg", "--steps", "2"], 1,
      "'photo.jpg' is a picture in the format JPEG, but PNG is needed; convert it, as ImageMagick does: magick 'photo.jpg' "
        + "'photo.png'"
    ),
    Refusal(
      ["--init-image", "text.png", "--steps", "2"], 1,
      "'text.png' cannot be read as PNG: read beyond end of data; check that it is a PNG file, or make it again"
    ),
    Refusal(
      ["--init-image", "narrow.png", "--steps", "2"], 1,
      "'narrow.png' has 7 × 64 pixels, but a run has 8 to 4096 along each side; give the size that it is to be brought to "
        + "with --size, or --width and --height"
    ),
    Refusal(
      ["--original-size", "0"], 64,
      "The value '0' is invalid for '--original-size <width>x<height>': it must be width and height from 1 to 16384, as "
        + "in 1024x768, or one number"
    ),
    Refusal(
      ["--target-size", "1x2x3"], 64,
      "The value '1x2x3' is invalid for '--target-size <width>x<height>': it must be width and height from 1 to 16384, as "
        + "in 1024x768, or one number"
    ),
    Refusal(
      ["--crop", "8"], 64,
      "The value '8' is invalid for '--crop <top,left>': it must be the pixels at the top and at the left, from 0 to "
        + "16384, as in 0,128"
    ),
  ]

  @Test(arguments: refusals)
  func whatDoesNotGoIsSaid(_ refusal: Refusal) throws {
    try PNG.write(
      Picture(width: 8, height: 8, samples: .init(repeating: 9, count: 192)), to: folder("photo.png"))
    try PNG.write(
      Picture(width: 7, height: 64, samples: .init(repeating: 9, count: 1344)), to: folder("narrow.png"))
    try folder.write([0xFF, 0xD8, 0xFF, 0xE0], to: "photo.jpg")
    try folder.write("a text".utf8, to: "text.png")
    let outcome = try Command.run(
      ["generate", "--prompt", "x", "--quiet", "--model", Command.tinyModel] + refusal.arguments, in: folder)
    #expect(outcome.err.split(separator: "\n").first ?? "" == "Error: \(refusal.message)")
    #expect(outcome.status == refusal.status)
    #expect(try folder.contents == ["narrow.png", "photo.jpg", "photo.png", "text.png"])
  }

  @Test func featuresNeedAPromptOrAPicture() throws {
    for (arguments, message) in [
      ([], "Missing expected argument '--prompt <text>', or a picture with '--image <file.png>'"),
      (
        ["--prompt", "x", "--strength", "1"],
        "--strength says how far --image is noised; give a picture with --image"
      ),
      (
        ["--prompt", "x", "--invert"],
        "--invert takes a picture back to its noise; give one with --image"
      ),
    ] as [([String], String)] {
      let outcome = try Command.run(["features", "--model", Command.tinyModel] + arguments, in: folder)
      #expect(outcome.status == 64 && outcome.err.hasPrefix("Error: \(message)\n"), "\(outcome.err)")
    }
  }
}
