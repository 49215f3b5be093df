import Foundation

/// The processor that the program runs on.
public struct Processor: Sendable {
  /// The maker's name, as in `AMD EPYC 7B13`.
  public let name: String
  /// The vector extensions that matter for products of floats, as the system names them.
  public let vectorExtensions: [String]
  /// How many cores (or hyperthreads) this process may use.
  public let cores: Int

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
