import SDLensCore
import SDLensDiffusion

/// One thing done to the update of one block (REFERENCE §3, paper eq. 10 and 11), in all steps or in some.
///
/// With guidance the batch is [negative prompt, prompt]; each operation says what it does to which.
public struct Edit: Sendable, Hashable {
  /// What is done. `ΔD` is the block's update as the edits before this one left it, `f_ρ` a feature's direction.
  public enum Operation: Sendable, Hashable {
    /// `ΔD + β S^ρ f_ρ`, `S^ρ` being the map of the feature in `ΔD`; −1 turns the feature off (eq. 10).
    ///
    /// With guidance the map is that of the prompt; what is added to the prompt's update is subtracted from the
    /// negative prompt's.
    case modulate(feature: Int, beta: Double)
    /// `ΔD + v μ_ρ M f_ρ`: strength v in units of the feature's mean activation, on the area of the mask.
    ///
    /// With guidance, what is added to the prompt's update is subtracted from the negative prompt's.
    case add(feature: Int, strength: Double, mask: Mask)
    /// `γ k μ_ρ f_ρ` in place of the update, at every place; meant for the prompt "" (eq. 11).
    ///
    /// With guidance only the prompt's update is replaced.
    case emptyContext(feature: Int, gamma: Double)
    /// `ΔD + v M F`: a map F, a vector for each place or one for all, on the area of the mask M.
    ///
    /// With guidance, what is added to the prompt's update is subtracted from the negative prompt's.
    case addMap(UpdateMap, strength: Double, mask: Mask)
    /// `ΔD + Σ_ρ (S'^ρ − S^ρ) f_ρ`: the maps `S'` that features have in the run of another prompt, in the same step
    /// and from the same noise, in place of their own; without features that run's whole update.
    ///
    /// With guidance only the prompt's update is changed.
    case transplant(prompt: String, features: [Int]?)
    /// `ΔD + Σ_ρ (S'^ρ − S^ρ) f_ρ`: features' own maps, moved by so many places; what leaves the map is lost.
    ///
    /// With guidance only the prompt's update is changed.
    case move(features: [Int], right: Int, down: Int)
    /// `DEC(ENC(ΔD))` in place of the update; with guidance for both prompts.
    case reconstruct
    /// Nothing in place of the update, `D_out = D_in`; with guidance for both prompts.
    case ablate
  }

  /// Where.
  public var block: BlockName
  /// What.
  public var operation: Operation
  /// The denoising steps, from 0, in which it is done; nil for all.
  public var steps: Set<Int>?

  /// An edit; whether its numbers make sense is checked when it becomes part of an `EditList`.
  public init(_ operation: Operation, at block: BlockName, steps: Set<Int>? = nil) {
    (self.operation, self.block, self.steps) = (operation, block, steps)
  }

  /// The feature that it is of, if it is of one.
  public var feature: Int? {
    switch operation {
    case .modulate(let feature, _), .add(let feature, _, _), .emptyContext(let feature, _): feature
    case .addMap, .transplant, .move, .reconstruct, .ablate: nil
    }
  }

  /// The features that it is of, if it is of several.
  public var features: [Int]? {
    switch operation {
    case .transplant(_, let features): features
    case .move(let features, _, _): features
    case .modulate, .add, .emptyContext, .addMap, .reconstruct, .ablate: nil
    }
  }

  /// Whether it is of a block's dictionary.
  public var needsDictionary: Bool { feature != nil || features != nil || operation == .reconstruct }
}

extension Edit.Operation {
  /// Its name in a file of edits.
  public enum Name: String, CaseIterable, Sendable {
    case modulate, add, reconstruct, ablate
    case emptyContext = "empty-context"
    case addMap = "add-map"
    case transplant, move
  }

  /// Its name in a file of edits.
  public var name: Name {
    switch self {
    case .modulate: .modulate
    case .add: .add
    case .emptyContext: .emptyContext
    case .addMap: .addMap
    case .transplant: .transplant
    case .move: .move
    case .reconstruct: .reconstruct
    case .ablate: .ablate
    }
  }

  /// The number that says how strongly it acts, and what it is called.
  var strength: (name: String, value: Double)? {
    switch self {
    case .modulate(_, let beta): ("beta", beta)
    case .add(_, let strength, _), .addMap(_, let strength, _): ("strength", strength)
    case .emptyContext(_, let gamma): ("gamma", gamma)
    case .transplant, .move, .reconstruct, .ablate: nil
    }
  }
}
