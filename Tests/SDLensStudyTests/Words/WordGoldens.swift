import SDLensCore
import SDLensDiffusion
import SDLensStudy
import SDLensTestSupport

/// Runs of the tiny model whose cross-attention diffusers computed, by Scripts/goldens/words.py.
enum WordGoldens {
  struct Run: Decodable, Sendable {
    let name: String
    let steps, width, height: Int
    let guidance: Double
    let seed: Seed

    var settings: RunSettings {
      get throws {
        try RunSettings(seed: seed, steps: steps, guidance: guidance, height: height, width: width)
      }
    }
  }
  struct Prompt: Decodable, Sendable {
    struct Word: Decodable, Sendable {
      let text: String
      let first, last: Int
    }
    let prompt: String
    let words: [Word]
  }
  private struct File: Decodable {
    let prompt: String
    let runs: [Run]
    let prompts: [Prompt]
  }

  private static let file = Result { try EditedModel.goldens.json("words.json", as: File.self) }
  static var prompt: String { get throws { try file.get().prompt } }
  static let runs = (try? file.get().runs) ?? []
  static let prompts = (try? file.get().prompts) ?? []
  static var tensors: Safetensors { get throws { try EditedModel.goldens.tensors("words.safetensors") } }

  /// The tokens of a prompt, by the tiny model's tokenizers.
  static func tokens(_ prompt: String) throws -> PromptTokens {
    PromptTokens(prompt, try Tokenizer(folder: EditedModel.tinyPath + "/tokenizer"))
  }
}
