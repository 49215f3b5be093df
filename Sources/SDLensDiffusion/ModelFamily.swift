import SDLensCore

/// A kind of model that can be run, as facts: which parts it has, and what its U-net looks like and is told besides the
/// prompt. What the parts compute is asked of their configurations.
public struct ModelFamily: Hashable, Sendable {
  /// `_class_name` of its `model_index.json`.
  public let className: String
  /// As people call it.
  public let title: String
  /// What the names of the tokenizers' and text encoders' folders end in.
  let encoders: [String]
  /// The kinds of the U-net's stages on the way down.
  let downStages: [String]
  /// Whether the U-net is told the pooled prompt and sizes besides the prompt.
  public let isToldOfSizes: Bool

  /// SDXL and what was made of it: two text encoders, three levels.
  public static let sdxl = ModelFamily(
    className: "StableDiffusionXLPipeline", title: "SDXL", encoders: ["", "_2"],
    downStages: ["DownBlock2D", attention, attention], isToldOfSizes: true)

  /// Stable Diffusion 1 and 2: one text encoder, four levels.
  public static let stableDiffusion = ModelFamily(
    className: "StableDiffusionPipeline", title: "Stable Diffusion 1 and 2", encoders: [""],
    downStages: [attention, attention, attention, "DownBlock2D"], isToldOfSizes: false)

  /// All that are there.
  public static let all = [sdxl, stableDiffusion]

  private static let attention = "CrossAttnDownBlock2D"

  /// What stands between the model's name and `Pipeline` where the same parts are used in another way.
  private static let uses = [
    "", "Img2Img", "Inpaint", "ControlNet", "ControlNetImg2Img", "ControlNetInpaint", "Adapter", "PAG",
    "PAGImg2Img", "PAGInpaint", "ControlNetPAG", "ControlNetPAGImg2Img",
  ]

  /// Reads `_class_name` of a `model_index.json`: its own, or that of a pipeline that uses the same parts in another way.
  ///
  /// - Throws: `UnsupportedConfigValue` for another kind of model.
  static func named(in index: ConfigFile) throws -> ModelFamily {
    let found = index["_class_name"] ?? .null
    try index.require("requires_aesthetics_score", false)
    let family = all.first { family in
      let name = family.className.dropLast("Pipeline".count)
      return uses.contains { .string("\(name)\($0)Pipeline") == found }
    }
    guard let family else {
      throw UnsupportedConfigValue(
        path: index.path, key: "_class_name", found: found, supported: all.map { .string($0.className) })
    }
    return family
  }

  /// The parts that a picture needs, by their folder names.
  public var parts: [String] {
    ["scheduler"] + encoders.map { "text_encoder\($0)" } + encoders.map { "tokenizer\($0)" } + [
      "unet", "vae",
    ]
  }

  /// Those of them that have weights.
  var weighted: [String] { parts.filter { !$0.hasPrefix("tokenizer") && $0 != "scheduler" } }

  /// The kinds of the U-net's stages on the way up.
  var upStages: [String] { downStages.reversed().map { $0.replacing("Down", with: "Up") } }

  /// The blocks that a U-net of the family may have, in the order of the forward pass.
  public var blocks: [BlockName] {
    func hasAttention(_ stages: [String], _ name: BlockName) -> Bool {
      name.stage < stages.count && stages[name.stage].hasPrefix("CrossAttn")
    }
    return BlockName.all.filter { name in
      switch name.part {
      case .down: hasAttention(downStages, name)
      case .mid: true
      case .up: hasAttention(upStages, name)
      }
    }
  }

  /// The level of the U-net that a block works at, 0 being the outermost; a map has half the size of the level before.
  func level(of name: BlockName) -> Int {
    switch name.part {
    case .down: name.stage
    case .mid: downStages.count - 1
    case .up: downStages.count - 1 - name.stage
    }
  }
}

/// Parts of models of two families.
struct MixedFamilies: UserError {
  let path: String
  let index: ModelFamily
  let unet: ModelFamily
  var description: String {
    "'\(path)': the U-net is one of \(unet.title), but 'model_index.json' says \(index.className), which is \(index.title); take "
      + "both from one model"
  }
}

/// A base for a single file that is of another family.
struct BaseOfAnotherFamily: UserError {
  let path: String
  let family: ModelFamily
  var description: String {
    "'\(path)' is a model of \(family.title), but single files are read of \(ModelFamily.sdxl.title); name a base of that kind "
      + "with --base"
  }
}
