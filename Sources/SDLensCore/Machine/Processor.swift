import Foundation

/// The processor that the program runs on.
public struct Processor: Sendable {
  /// The maker's name, as in `AMD EPYC 7B13`.
  public let name: String
  /// The vector extensions that matter for products of floats, as the system names them.
  public let vectorExtensions: [String]
  /// How many cores (or hyperthreads) this process may run on.
  public let cores: Int
  /// As how many processors the time counts that the group of this process may use, as in a container with a limit; nil
  /// without one.
  public static var quota: Double? { ControlGroup.current.processors }

  /// How many threads can compute at a time: one for each core, or fewer under a quota.
  static var threads: Int { threads(cores: ProcessInfo.processInfo.activeProcessorCount, quota: quota) }

  package static func threads(cores: Int, quota: Double?) -> Int {
    // One more for a part of a processor would wait for the others at every step.
    min(cores, max(1, Int(min(quota ?? .infinity, 1024).rounded())))
  }

  private static let known = [
    "sse4_2", "avx", "fma", "avx2", "avx512f", "avx512bw", "avx512vl", "avx512_vnni", "avx512_bf16",
    "avx512_fp16", "amx_bf16", "amx_int8", "asimd", "asimdhp", "bf16", "sve", "sve2",
  ]

  /// The processor as `/proc/cpuinfo` describes it.
  public static var current: Processor {
    let text = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)) ?? ""
    return Processor(cpuinfo: text, cores: ProcessInfo.processInfo.activeProcessorCount)
  }

  init(cpuinfo: String, cores: Int) {
    func value(_ keys: String...) -> String? {
      cpuinfo.split(separator: "\n").lazy
        .map { $0.split(separator: ":", maxSplits: 1).map { $0.trimmingCharacters(in: .whitespaces) } }
        .first { $0.count == 2 && keys.contains($0[0]) }?[1]
    }
    name = value("model name", "Model", "Hardware") ?? "unknown"
    let flags = Set((value("flags", "Features") ?? "").split(separator: " ").map(String.init))
    vectorExtensions = Self.known.filter(flags.contains)
    self.cores = cores
  }
}
