import SDLensCore
import SDLensDiffusion

/// What the files of a run say about it.
struct RunRecord {
  private let fields: [(key: String, value: String)]
  private let sizes: [(key: String, value: String)]
  private let ablated: [BlockName]

  init(_ job: PictureJob, fingerprint: Fingerprint) {
    fields =
      [("prompt", job.prompt)] + (job.negativePrompt.map { [("negative_prompt", $0)] } ?? [])
      + [
        ("steps", "\(job.settings.steps)"), ("guidance", "\(job.settings.guidance)"),
        ("model", "\(job.folder.title) \(fingerprint)"),
      ]
    sizes = [("width", "\(job.settings.width)"), ("height", "\(job.settings.height)")]
    ablated = job.ablated
  }

  /// The texts of a picture.
  func texts(seed: Seed) -> [PNGText] {
    var texts = [PNGText("Software", "sdlens \(Version.current)")]
    texts += fields.map { PNGText($0.key, $0.value) }
    texts.append(PNGText("seed", "\(seed)"))
    if !ablated.isEmpty {
      texts.append(PNGText("edits", ablated.map { "ablate \($0)" }.joined(separator: ", ")))
    }
    return texts
  }

  /// The metadata of a file of tensors.
  func metadata(seed: Seed) -> [String: String] {
    var metadata = Dictionary(uniqueKeysWithValues: fields + sizes)
    metadata["seed"] = "\(seed)"
    metadata["version"] = Version.current
    if !ablated.isEmpty { metadata["ablate"] = ablated.map(\.description).joined(separator: ",") }
    return metadata
  }
}
