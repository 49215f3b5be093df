/// What of a model is downloaded for its files to be read here, and the command that does it.
public enum HubDownload: Sendable, CaseIterable {
  /// A whole model in diffusers layout, in float16.
  case pipeline
  /// A CLIP or an encoder of sentences.
  case encoder
  /// A tiny autoencoder.
  case decoder
  /// A whole autoencoder.
  case autoencoder
  /// A LoRA.
  case lora

  /// What the paths of the files in the repository look like; `*` stands for slashes too.
  public var patterns: [String] {
    switch self {
    case .pipeline: ["*.json", "*.txt", "*.fp16.safetensors"]
    case .encoder: ["*.json", "*.txt", "model*.safetensors"]
    case .decoder, .autoencoder: ["config.json", "diffusion_pytorch_model*.safetensors"]
    case .lora: ["adapter_config.json", "*.safetensors"]
    }
  }

  /// The command of Hugging Face's tool, which wants `--include` before each pattern.
  public func command(for name: HubName) -> String {
    let revision = name.revision.map { " --revision \($0)" } ?? ""
    return "hf download \(name.id)\(revision)" + patterns.map { " --include '\($0)'" }.joined()
  }

  /// What to say when the model that was asked for is not in the cache.
  public func missing(_ name: HubName, in cache: HubCache) -> String {
    let step = "download it with: \(command(for: name))"
    guard case .others(let revisions) = cache.find(name) else {
      let whole = name.revision.map { "\(name.id)@\($0)" } ?? name.id
      return "'\(whole)' is neither a folder nor in the local cache '\(cache.path)'; \(step)"
    }
    let list = revisions.prefix(5).joined(separator: ", ") + (revisions.count > 5 ? ", …" : "")
    let asked =
      name.revision.map { "no single revision '\($0)'" } ?? "several revisions, of which none is 'main'"
    return "the local cache '\(cache.path)' has \(asked) of '\(name.id)'; there are \(list): name one as in "
      + "\(name.id)@\(revisions[0]), or \(step)"
  }
}
