import Foundation
import SDLensDiffusion
import SDLensTestSupport
import Testing

/// The commands that the program prints for `hf`; `Scripts/check_hf.py` tries them with the tool itself.
@Suite struct HubDownloadTests {
  /// The patterns of a command, each behind an `--include` of its own, which is how the tool takes them.
  private func patterns(_ command: String) -> [String] {
    let words = command.split(separator: " ").map(String.init)
    var rest = words[3...]
    var found: [String] = []
    while let option = rest.popFirst(), let value = rest.popFirst() {
      if option == "--revision" { continue }
      #expect(option == "--include", "\(command)")
      #expect(value.hasPrefix("'") && value.hasSuffix("'"), "\(command)")
      found.append(String(value.dropFirst().dropLast()))
    }
    return found
  }

  // Two patterns behind one --include are a pattern and a file to the tool.
  @Test func theReadmeNamesCommandsThatTheToolTakes() throws {
    let text = try String(contentsOfFile: Goldens()("../../../README.md"), encoding: .utf8)
    let commands = text.matches(of: /`(hf download [^`]+ [^`]+)`/).map(\.1)
    #expect(!commands.isEmpty)
    for command in commands {
      let words = command.split(separator: " ")
      for (before, word) in zip(words, words.dropFirst()) where word.contains("*") {
        #expect(["--include", "--exclude"].contains(before), "\(command)")
      }
    }
    let turbo = try #require(HubName("stabilityai/sdxl-turbo"))
    #expect(commands.contains { $0 == HubDownload.pipeline.command(for: turbo) })
  }

  /// Whether a pattern stands for a path, as Python's `fnmatch` sees it; only `*` is special.
  private func matches(_ pattern: String, _ path: String) -> Bool { fnmatch(pattern, path, 0) == 0 }

  @Test(arguments: HubDownload.allCases) func everyPatternHasAnOptionOfItsOwn(_ download: HubDownload) throws
  {
    let name = try #require(HubName("owner/name"))
    let command = download.command(for: name)
    #expect(command.hasPrefix("hf download owner/name --include '"))
    #expect(patterns(command) == download.patterns)
    let revision = try #require(HubName("owner/name@refs/pr/3"))
    #expect(
      download.command(for: revision)
        == command.replacing("owner/name", with: "owner/name --revision refs/pr/3"))
    #expect(patterns(download.command(for: revision)) == download.patterns)
  }

  // The files of stabilityai/sdxl-turbo in float16, and those of other layouts, that ModelFolder reads.
  @Test func theFilesOfAModelAreFetched() throws {
    let tokenizers = ["", "_2"].flatMap { suffix in
      TokenizerFiles.names.map { "tokenizer\(suffix)/\($0)" }
    }
    let files =
      tokenizers + [
        "model_index.json", "scheduler/scheduler_config.json", "unet/config.json", "vae/config.json",
        "text_encoder/config.json", "text_encoder_2/config.json",
        "unet/diffusion_pytorch_model.fp16.safetensors", "vae/diffusion_pytorch_model.fp16.safetensors",
        "text_encoder/model.fp16.safetensors", "text_encoder_2/model.fp16.safetensors",
      ]
    for file in files {
      #expect(HubDownload.pipeline.patterns.contains { matches($0, file) }, "\(file)")
    }
    for file in ["sd_xl_turbo_1.0.safetensors", "sd_xl_turbo_1.0_fp16.safetensors", "unet/model.onnx_data"] {
      #expect(!HubDownload.pipeline.patterns.contains { matches($0, file) }, "\(file)")
    }
  }

  // Those of openai/clip-vit-large-patch14 and of sentence-transformers/all-MiniLM-L6-v2.
  @Test func theFilesOfAnEncoderAreFetched() {
    let files =
      TokenizerFiles.names + [
        "config.json", "preprocessor_config.json", "processor_config.json", "modules.json",
        "1_Pooling/config.json",
        "sentence_bert_config.json", "model.safetensors", "model.safetensors.index.json",
        "model-00001-of-00002.safetensors",
      ]
    for file in files {
      #expect(HubDownload.encoder.patterns.contains { matches($0, file) }, "\(file)")
    }
    for file in ["pytorch_model.bin", "open_clip_model.safetensors", "onnx/model.onnx"] {
      #expect(!HubDownload.encoder.patterns.contains { matches($0, file) }, "\(file)")
    }
  }
}
