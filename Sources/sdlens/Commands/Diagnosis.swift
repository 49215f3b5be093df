import Foundation
import SDLensCore
import SDLensDiffusion

/// What `doctor` finds.
struct Diagnosis: Encodable {
  /// Measured rates of products.
  struct Rate: Codable {
    /// The processor whose kernels OpenBLAS takes.
    var core = BLAS.coreName
    /// Of our own kernels.
    var sdlens = ProductRate.measure(EngineChoice.sdlens.engine) / 1e9
    /// Of OpenBLAS.
    var openblas = ProductRate.measure(EngineChoice.openblas.engine) / 1e9
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
  /// The rate without `OPENBLAS_CORETYPE`, when that is set.
  let ownRate: Rate?
  let totalMemory: Int
  let availableMemory: Int
  let models: [Model]
  private(set) var advice: [String] = []

  /// Looks at everything; takes some seconds.
  init() {
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
    ownRate = coreType == nil ? nil : Self.rateWithoutCoreType(threads: threads)
    totalMemory = Memory.total
    availableMemory = Memory.available
    models = ModelFolder.found().map { Model(name: $0.name, memory: $0.summary?.memory, problem: $0.problem) }
    advice = [buildAdvice, coreTypeAdvice, threadAdvice, memoryAdvice].compactMap(\.self)
  }

  /// Whether there is a model that fits into the memory.
  var isUsable: Bool { models.contains { ($0.memory ?? .max) < totalMemory } }

  private var buildAdvice: String? {
    build == "debug" ? "This is a debug build, many times slower; build it with: swift build -c release" : nil
  }

  private var coreTypeAdvice: String? {
    guard let coreType, let ownRate, ownRate.openblas > 1.2 * rate.openblas else { return nil }
    return
      "OPENBLAS_CORETYPE is \(coreType), with which OpenBLAS reaches \(Units.rounded(rate.openblas)) GFLOP/s, "
      + "but without it \(Units.rounded(ownRate.openblas)); unset OPENBLAS_CORETYPE"
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

  /// Asks a second copy of this program, because OpenBLAS reads the variable when it is loaded.
  private static func rateWithoutCoreType(threads: Int) -> Rate? {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
    process.arguments = ["doctor", "--rate-only", "--threads", "\(threads)"]
    process.environment = ProcessInfo.processInfo.environment.filter { $0.key != "OPENBLAS_CORETYPE" }
    let answer = Pipe()
    process.standardOutput = answer
    guard (try? process.run()) != nil else { return nil }
    let data = answer.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return try? JSONDecoder().decode(Rate.self, from: data)
  }
}

extension Diagnosis {
  private var quotaText: String {
    quota.map { ", under a quota of \(Units.rounded($0)) processors" } ?? ""
  }

  /// The findings, for people.
  var text: String {
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
