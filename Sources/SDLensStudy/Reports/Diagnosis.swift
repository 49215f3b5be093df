import Foundation
import SDLensCore
import SDLensDiffusion

/// What `doctor` finds.
public struct Diagnosis: Encodable {
  /// Measured rates of products.
  public struct Rate: Codable, Sendable {
    /// The processor whose kernels OpenBLAS takes.
    var core = BLAS.coreName
    /// Of our own kernels.
    var sdlens = ProductRate.measure(EngineChoice.sdlens.engine) / 1e9
    /// Of OpenBLAS.
    var openblas = ProductRate.measure(EngineChoice.openblas.engine) / 1e9

    /// Measures.
    public init() {}
  }

  /// Another value of `OPENBLAS_CORETYPE`, nil for none.
  struct Kernels: Encodable {
    let coreType: String?
    let rate: Rate
  }

  /// A model on this machine.
  struct Model: Encodable {
    let name: String
    let memory: Int?
    let problem: String?
  }

  let version = Version.current
  let build: String
  let processor: String
  let vectorExtensions: [String]
  let cores: Int
  let threads: Int
  /// The processors whose time a container allows; nil for all.
  let quota: Double?
  let openblas: String
  let libpng: String
  let coreType: String?
  let rate: Rate
  /// What `--engine auto` takes.
  let engine: String
  /// With which OpenBLAS is faster than as it is set.
  let faster: Kernels?
  let totalMemory: Int
  let availableMemory: Int
  let models: [Model]
  private(set) var advice: [String] = []

  /// Looks at everything; takes some seconds.
  ///
  /// - Parameter measured: the rates with another value of `OPENBLAS_CORETYPE` (nil for none), which takes a process of its
  ///   own, because OpenBLAS reads it when it is loaded; nil where that fails.
  public init(measured: (_ coreType: String?) -> Rate?) {
    #if DEBUG
      build = "debug"
    #else
      build = "release"
    #endif
    let processor = Processor.current
    self.processor = processor.name
    vectorExtensions = processor.vectorExtensions
    cores = processor.cores
    threads = Parallel.threads
    quota = Processor.quota
    openblas = BLAS.configuration
    libpng = PNG.libraryVersion
    coreType = ProcessInfo.processInfo.environment["OPENBLAS_CORETYPE"].flatMap { $0.isEmpty ? nil : $0 }
    rate = Rate()
    engine = EngineChoice.best.rawValue
    faster = Self.faster(than: rate, coreType: coreType, extensions: vectorExtensions, measured)
    totalMemory = Memory.total
    availableMemory = Memory.available
    models = ModelFolder.found().map { Model(name: $0.name, memory: $0.summary?.memory, problem: $0.problem) }
    advice = [buildAdvice, coreTypeAdvice, threadAdvice, memoryAdvice].compactMap(\.self)
  }

  /// Whether there is a model that fits into the memory.
  public var isUsable: Bool { models.contains { ($0.memory ?? .max) < totalMemory } }

  private var buildAdvice: String? {
    build == "debug" ? "This is a debug build, many times slower; build it with: swift build -c release" : nil
  }

  private var coreTypeAdvice: String? {
    guard let faster else { return nil }
    let setting =
      coreType.map { "OPENBLAS_CORETYPE is \($0)" } ?? "OpenBLAS takes kernels for \(rate.core) by itself"
    let other = faster.coreType.map { "with \($0)" } ?? "without it"
    return
      "\(setting), with which it reaches \(Units.rounded(rate.openblas)) GFLOP/s, but \(other) "
      + "\(Units.rounded(faster.rate.openblas)); "
      + (faster.coreType.map { "set OPENBLAS_CORETYPE=\($0)" } ?? "unset OPENBLAS_CORETYPE")
  }

  private var threadAdvice: String? {
    if let quota, Double(threads) > quota.rounded(.up) {
      return
        "\(threads) threads share a quota of \(Units.rounded(quota)) processors and wait for each other; leave "
        + "--threads out"
    }
    let best = Processor.threads(cores: cores, quota: quota)
    return threads < best ? "Only \(threads) of \(best) cores compute; leave --threads out" : nil
  }

  private var memoryAdvice: String? {
    guard let largest = models.max(by: { $0.memory ?? 0 < $1.memory ?? 0 }), let memory = largest.memory,
      memory > availableMemory
    else { return nil }
    return "\(largest.name) takes about \(Units.bytes(memory)) of memory, but only "
      + "\(Units.bytes(availableMemory)) are available; close other programs"
  }

  /// The setting with which OpenBLAS is at least 1.2 times as fast as now: its own choice, or the kernels for what this
  /// processor can do, which an OpenBLAS that is older than the processor does not choose.
  private static func faster(
    than rate: Rate, coreType: String?, extensions: [String], _ measured: (String?) -> Rate?
  ) -> Kernels? {
    var settings: [String?] = coreType == nil ? [] : [nil]
    if rate.openblas < 0.6 * rate.sdlens {
      if extensions.contains("avx512f") { settings.append("SkylakeX") }
      if extensions.contains("avx2") { settings.append("Haswell") }
    }
    return settings.compactMap { setting in
      measured(setting).map { Kernels(coreType: setting, rate: $0) }
    }
    .filter { $0.rate.openblas > 1.2 * rate.openblas }.max { $0.rate.openblas < $1.rate.openblas }
  }
}

extension Diagnosis {
  private var quotaText: String {
    quota.map { ", under a quota of \(Units.rounded($0)) processors" } ?? ""
  }

  /// The findings, for people.
  public var text: String {
    let facts = Table(
      left: [0, 1],
      [
        ["sdlens", "\(version), \(build) build"],
        ["Processor", processor],
        ["Extensions", vectorExtensions.joined(separator: " ")],
        ["Threads", "\(threads) of \(cores) cores\(quotaText)"],
        ["Products", "\(Units.rounded(rate.sdlens)) GFLOP/s in float32 by sdlens"],
        ["", "\(Units.rounded(rate.openblas)) GFLOP/s by openblas, kernels for \(rate.core)"],
        ["Engine", "\(engine), unless --engine says otherwise"],
        ["OpenBLAS", openblas],
        ["libpng", libpng],
        ["Memory", "\(Units.bytes(availableMemory)) available of \(Units.bytes(totalMemory))"],
      ])
    let models = Table(
      left: [0, 1],
      models.map { model in
        ["  " + model.name, model.memory.map { "takes about \(Units.bytes($0))" } ?? model.problem ?? ""]
      })
    let advice =
      advice.isEmpty ? "Nothing slows this machine." : advice.map { "! " + $0 }.joined(separator: "\n")
    return [facts.text, "Models\n\(models.text)", advice].joined(separator: "\n\n")
  }
}
