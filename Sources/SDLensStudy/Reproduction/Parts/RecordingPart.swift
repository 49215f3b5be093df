import Foundation
import SDLensCore
import SDLensDiffusion
import SDLensSparse

/// `record`: the updates of the four blocks for many prompts.
struct RecordingPart: ReproductionPart {
  let name = "record"
  let title = "record the updates of the four blocks"

  private func request() -> Collector.Request { Collector.Request(blocks: BlockName.studied) }

  /// Named as `train-sae` does, so that both share it.
  private func path(_ study: Reproduction, _ prompts: PromptList) -> String {
    let own =
      (study.settings.prompts.map { "-\($0.fingerprint.prefix(8))" } ?? "")
      + (study.settings.seed == ReproductionSettings().seed ? "" : "-seed\(study.settings.seed)")
    return "\(study.workspace.activations)/\(study.model.folderTitle)-update\(own)-\(prompts.prompts.count)"
  }

  func inputs(of study: Reproduction) throws -> [Fact] {
    [Fact("prompts", try study.prompts().fingerprint), Fact("seed", "\(study.settings.seed)")]
  }

  func work(in study: Reproduction) throws -> Work {
    var work = Work()
    let prompts = try study.prompts()
    let collector = try Collector(study.model, prompts: prompts, request(), study.runSettings())
    let left = collector.todo(in: path(study, prompts), .all).reduce(0) {
      $0 + collector.manifest.pictures(ofShard: $1).count
    }
    (work[.recorded], work.bytes) = (left, collector.bytes(pictures: left))
    return work
  }

  func isThere(_ findings: PartFindings, in study: Reproduction) -> Bool {
    guard let path = study.path("store", in: findings), let store = try? ActivationStore(path) else {
      return false
    }
    return store.missing.isEmpty && store.damaged.isEmpty
      && (try? store.manifest.fingerprint) == findings.product("fingerprint")
  }

  func run(in study: Reproduction) throws -> PartFindings {
    let prompts = try study.prompts()
    let job = CollectionJob(
      model: study.model, prompts: prompts, request: request(), settings: try study.runSettings(),
      store: path(study, prompts))
    let store = try ActivationStore(job.run(study.progress).store)
    var findings = PartFindings()
    findings.products = [
      Fact("store", study.inWorkspace(store.folder)), Fact("fingerprint", try store.manifest.fingerprint),
      Fact("pictures", "\(store.pictures)"),
    ]
    if let few = TooFewPictures(of: "the store", pictures: store.pictures, blocks: BlockName.studied) {
      findings.notes = [few.note]
    }
    return findings
  }
}
