import Foundation
import SDLensCore
import SDLensDiffusion
import SDLensSparse
import SDLensStudy
import SDLensTestSupport
import Testing

/// The tiny model, its random dictionaries and the edited runs of Scripts/goldens/interventions.py.
enum EditedModel {
  struct Run: Sendable {
    let name, prompt: String
    let steps: Int
    let guidance: Double
    let edits: EditList
  }

  static let goldens: Goldens = {
    let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().path
    return Goldens(beside: tests + "/any.swift")
  }()
  static let tinyPath = goldens("../../SDLensDiffusionTests/Goldens/tiny")
  private static let loaded = Result { try Pipeline(ModelFolder(tinyPath)) }
  static var pipeline: Pipeline { get throws { try loaded.get() } }
  static var tensors: Safetensors { get throws { try goldens.tensors("interventions.safetensors") } }

  private static let description = Result { () throws -> JSONValue in
    try JSONValue(contentsOf: goldens("interventions.json"))
  }
  static let runs: [Run] = {
    guard case .array(let runs)? = try? description.get()["runs"] else { return [] }
    return runs.compactMap { try? Run($0) }
  }()
  static func run(_ name: String) throws -> Run {
    guard let run = runs.first(where: { $0.name == name }) else { throw Missing(name: name) }
    return run
  }
  struct Missing: Error { let name: String }

  static let dictionaries: [BlockName: BlockDictionary] = {
    (try? Dictionary(uniqueKeysWithValues: BlockName.sdxl.map { ($0, try dictionary(of: $0)) })) ?? [:]
  }()
  private static func dictionary(of block: BlockName) throws -> BlockDictionary {
    let tensors = try tensors
    func part(_ name: String) throws -> Tensor { try tensors.tensor("\(block).\(name)") }
    let autoencoder = SparseAutoencoder(
      k: 5, encoder: try part("encoder"), decoder: try part("decoder"), preBias: try part("pre_bias"),
      latentBias: try part("latent_bias"))
    return BlockDictionary(autoencoder, means: try part("means"))
  }

  /// The tiny model at work, with its random dictionaries.
  static func laboratory(keepingRuns runs: Int = 0) throws -> Laboratory {
    Laboratory(try ModelFolder(tinyPath), blockDictionaries: dictionaries, keepingRuns: runs)
  }

  static func settings(steps: Int = 1, guidance: Double = 0) throws -> RunSettings {
    try RunSettings(seed: 42, steps: steps, guidance: guidance, height: 64, width: 96)
  }
  static func settings(_ run: Run) throws -> RunSettings {
    try settings(steps: run.steps, guidance: run.guidance)
  }

  /// A prompt of the goldens; with guidance, zeros before it.
  static func prompt(_ name: String = "cat", guided: Bool = false) throws -> PromptEmbeddings {
    func rows(_ role: String) throws -> Tensor {
      let row = try tensors.tensor("\(role).\(name)")
      return guided ? .stacked([Tensor(repeating: 0, row.shape), row]) : row
    }
    return PromptEmbeddings(embeddings: try rows("prompt_embeds"), pooled: try rows("pooled_prompt_embeds"))
  }
  static func prompt(_ run: Run) throws -> PromptEmbeddings {
    try prompt(run.prompt, guided: run.guidance > 1)
  }
}

extension EditedModel.Run: CustomTestStringConvertible {
  var testDescription: String { name }

  init(_ json: JSONValue) throws {
    guard case .string(let name)? = json["name"], case .string(let prompt)? = json["prompt"],
      case .int(let steps)? = json["steps"], let guidance = json["guidance"], let file = json["file"]
    else { throw EditedModel.Missing(name: "\(json)") }
    (self.name, self.prompt, self.steps) = (name, prompt, steps)
    self.guidance =
      switch guidance {
      case .int(let int): Double(int)
      case .double(let double): double
      default: .nan
      }
    edits = name == "plain" ? try EditList([]) : try EditList(file, path: name)
  }
}

extension JSONValue {
  fileprivate subscript(key: String) -> JSONValue? {
    if case .object(let members) = self { members[key] } else { nil }
  }
}
