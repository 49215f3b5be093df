import SDLensCore

/// A value of a pickle, as far as files of tensors have them.
package enum Pickle {
  case none
  case bool(Bool)
  case int(Int)
  case double(Double)
  case string(String)
  case tuple([Pickle])
  case list(List)
  case dictionary(Dictionary)
  case storage(TorchStorage)
  case tensor(TorchTensor)
  /// A name that stands for a class or function of Python; nothing is ever called but those known here.
  case global(Global)

  /// A list, shared by all places that name it.
  package final class List {
    package var elements: [Pickle] = []
  }

  /// A dictionary with texts for keys, shared by all places that name it.
  package final class Dictionary {
    package var values: [String: Pickle] = [:]
  }

  /// The names that a file may use.
  package enum Global: Hashable {
    case orderedDictionary
    case rebuildTensor
    case rebuildParameter
    case storage(TorchStorage.Element)

    /// The name for the one that Python writes as `module` and `name`.
    init?(module: String, name: String) {
      switch (module, name) {
      case ("collections", "OrderedDict"): self = .orderedDictionary
      case ("torch._utils", "_rebuild_tensor_v2"): self = .rebuildTensor
      case ("torch._utils", "_rebuild_parameter"): self = .rebuildParameter
      case ("torch", _):
        guard let element = TorchStorage.Element(rawValue: name) else { return nil }
        self = .storage(element)
      default: return nil
      }
    }
  }

  /// Why a pickle is not read.
  package enum Problem: Error {
    /// It asks for a class or function that tensors do not need.
    case forbidden(String)
    case malformed(String)

    package var reason: String {
      switch self {
      case .forbidden(let name):
        "its pickle asks for '\(name)', but only what tensors need is accepted, since a pickle can run any "
          + "program; take the file from a source you trust, load it in Python and save the tensors alone"
      case .malformed(let reason): "its pickle is damaged or of another kind: \(reason); save it again"
      }
    }
  }

  /// The kind, for messages.
  var kind: String {
    switch self {
    case .none: "None"
    case .bool, .int, .double: "a number"
    case .string: "a text"
    case .tuple, .list: "a list"
    case .dictionary: "a dictionary"
    case .storage: "a storage"
    case .tensor: "a tensor"
    case .global: "a class"
    }
  }

  package var int: Int? { if case .int(let value) = self { value } else { nil } }
  var string: String? { if case .string(let value) = self { value } else { nil } }
  var tuple: [Pickle]? { if case .tuple(let value) = self { value } else { nil } }
}
