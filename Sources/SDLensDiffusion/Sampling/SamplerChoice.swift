import SDLensCore

/// How a model is sampled, where that is not as its own `scheduler_config.json` says.
public struct SamplerChoice: Sendable, Hashable {
  /// A sampler by its name on the command line.
  public enum Name: String, Sendable, CaseIterable {
    case euler
    case ancestral = "euler-ancestral"
    case ddim, lcm, tcd, pndm
    case multistep = "dpm++-2m"
    case karras = "dpm++-2m-karras"

    fileprivate var kind: any ConfiguredSampler.Type {
      switch self {
      case .euler: Euler.self
      case .ancestral: EulerAncestral.self
      case .ddim: DDIM.self
      case .lcm: LCM.self
      case .tcd: TCD.self
      case .pndm: PNDM.self
      case .multistep, .karras: Multistep.self
      }
    }

    /// The keys of a configuration that choose it.
    fileprivate var settings: [String: JSONValue] {
      [
        "_class_name": .string(kind.className), "use_karras_sigmas": .bool(self == .karras),
        "clip_sample": false, "skip_prk_steps": true, "solver_order": 2,
        "algorithm_type": "dpmsolver++", "solver_type": "midpoint", "variance_type": .null,
      ]
    }
  }

  /// The sampler; nil for the model's own.
  public let name: Name?
  /// The training steps at which the model is asked, latest first; nil where the sampler chooses them.
  public let timesteps: [Int]?
  /// How much of the noise is fresh in DDIM and TCD, 0…1; nil for none.
  public let eta: Double?

  static let timestepsKey = "sdlens_timesteps"
  static let etaKey = "sdlens_eta"

  /// Chooses.
  ///
  /// - Throws: `BadSetting` for timesteps that do not go down, and an η outside of 0…1.
  public init(_ name: Name? = nil, timesteps: [Int]? = nil, eta: Double? = nil) throws {
    if let timesteps, timesteps.isEmpty || !zip(timesteps, timesteps.dropFirst()).allSatisfy({ $0 > $1 }) {
      throw BadSetting(
        name: "timesteps", found: timesteps.map(String.init).joined(separator: " "),
        needed: "training steps from the latest down, as in 999 749 499 249")
    }
    if let eta, !(0...1 ~= eta) { throw BadSetting(name: "eta", found: "\(eta)", needed: "from 0 to 1") }
    (self.name, self.timesteps, self.eta) = (name, timesteps, eta)
  }

  /// What takes the place of the model's settings.
  var settings: [String: JSONValue] {
    var settings = name?.settings ?? [:]
    if let timesteps { settings[Self.timestepsKey] = .array(timesteps.map(JSONValue.int)) }
    if let eta { settings[Self.etaKey] = .double(eta) }
    return settings
  }

  /// The timesteps that were put into a configuration.
  ///
  /// - Throws: `BadSetting` for one that the model was not trained for.
  static func timesteps(_ config: ConfigFile, below trained: Int) throws -> [Int]? {
    guard config[timestepsKey] != nil else { return nil }
    let all = try config.ints(timestepsKey, in: Int.min...Int.max)
    if let bad = all.first(where: { !(0..<trained ~= $0) }) {
      throw BadSetting(name: "a timestep", found: "\(bad)", needed: "from 0 to \(trained - 1)")
    }
    return all
  }

  /// The choice as words of the command line.
  var options: [String] {
    (name.map { ["--sampler", $0.rawValue] } ?? [])
      + (timesteps.map { ["--timesteps"] + $0.map(String.init) } ?? [])
      + (eta.map { ["--eta", "\($0)"] } ?? [])
  }

  /// The choice in words, for files; nil where nothing is chosen.
  public var title: String? {
    let parts = [
      name?.rawValue, timesteps.map { "at " + $0.map(String.init).joined(separator: " ") },
      eta.map { "eta \($0)" },
    ].compactMap(\.self)
    return parts.isEmpty ? nil : parts.joined(separator: ", ")
  }
}
