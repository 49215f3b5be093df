/// The engines of this program, by their names on the command line.
public enum EngineChoice: String, CaseIterable, Sendable {
  /// The one that suits the processor.
  case auto
  /// This program's own kernels.
  case sdlens
  /// OpenBLAS.
  case openblas

  /// All that `auto` chooses from.
  public static let engines: [EngineChoice] = [.sdlens, .openblas]

  /// The engine; where it is `auto` and this processor is measured, that is done once.
  public var engine: any Engine {
    switch self {
    case .auto: Self.best.engine
    case .sdlens: KernelEngine()
    case .openblas: BLASEngine()
    }
  }

  /// The engine that multiplies in a precision.
  ///
  /// - Throws: `NoSuchPrecision` where it cannot.
  public func engine(_ precision: Precision) throws -> any Engine {
    guard precision != .float32 else { return engine }
    guard self != .openblas else { throw NoSuchPrecision(engine: self, precision: precision) }
    return KernelEngine(precision: precision)
  }

  /// What `auto` takes on this processor.
  public static let best = best(hasVectors: KernelEngine.hasVectors) {
    ProductRate.measure($0.engine, for: .milliseconds(50), size: 512)
  }

  /// Our own kernels where they are made for the processor, else what multiplies faster: OpenBLAS must do so by a
  /// fifth, so that two runs rarely choose differently.
  package static func best(hasVectors: Bool, rate: (EngineChoice) -> Double) -> EngineChoice {
    hasVectors || rate(.openblas) < 1.2 * rate(.sdlens) ? .sdlens : .openblas
  }
}

/// A precision that an engine does not multiply in.
struct NoSuchPrecision: UserError {
  let engine: EngineChoice
  let precision: Precision

  var description: String {
    "--engine \(engine.rawValue) multiplies in float32 only, but --precision is \(precision.rawValue); take --engine "
      + "sdlens, or --precision float32"
  }
}
