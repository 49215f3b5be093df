import Foundation
import SDLensCore
import SDLensDiffusion
import SDLensSparse
import SDLensStudy

/// A model at work, with dictionaries of some of its blocks.
final class Study {
  let folder: ModelFolder
  let pipeline: Pipeline
  let dictionaries: [BlockName: DictionaryFolder]
  private let encoder: PromptEncoder

  /// Reads the model.
  init(_ folder: ModelFolder, dictionaries: [BlockName: DictionaryFolder]) throws {
    self.folder = folder
    self.dictionaries = dictionaries
    pipeline = try Pipeline(folder)
    encoder = try PromptEncoder(folder)
  }

  /// What a prompt becomes; with guidance together with the empty one.
  func encode(_ prompt: String, _ settings: RunSettings) -> PromptEmbeddings {
    settings.isGuided ? encoder.guided([prompt], negative: nil) : encoder([prompt])
  }

  /// The runs of other prompts that edits need.
  func donors(of lists: [EditList], _ settings: RunSettings) throws -> [String: Donor] {
    var blocks: [String: [BlockName]] = [:]
    for list in lists { blocks.merge(list.donors) { $0 + $1 } }
    return try Dictionary(
      uniqueKeysWithValues: blocks.map { prompt, blocks in
        (prompt, try Donor(pipeline, encode(prompt, settings), settings, watching: blocks))
      })
  }

  /// What edits need of the dictionaries.
  var blockDictionaries: [BlockName: BlockDictionary] {
    dictionaries.mapValues { BlockDictionary($0) }
  }

  /// Model, dictionaries and seed in a line, for the head of a figure.
  func origin(_ settings: RunSettings) throws -> String {
    let model = "model \(folder.title) (\(try folder.fingerprint().description.prefix(8)))"
    let named = dictionaries.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value.label)" }
    let list =
      named.isEmpty ? [] : ["dictionar\(named.count == 1 ? "y" : "ies") \(named.joined(separator: ", "))"]
    return ([model] + list + ["seed \(settings.seed)"]).joined(separator: " · ")
  }

  /// The picture of a run.
  func picture(_ trace: Pipeline.Trace) throws -> Picture { Picture(try pipeline.picture(trace.latents)) }

  /// The codes of a block's update in a run, in one step.
  func codes(_ run: BaseRun, _ block: BlockName, step: Int = 0) throws -> Codes {
    guard let dictionary = dictionaries[block], let update = run.update(of: block, step: step) else {
      preconditionFailure("\(block) is not watched in step \(step)")
    }
    guard dictionary.autoencoder.width == update.width else {
      throw WidthMismatch(
        block: "\(block)", stored: update.width, dictionary: dictionary.autoencoder.width)
    }
    return dictionary.autoencoder.encode(update)
  }
}
