import SDLensCore

/// A value of a pickle, as far as files of tensors have them.
package enum Pickle {
  case none
  case bool(Bool)
  case int(Int)
  case double(Double)
  case string(String)
  case tuple(List)
  case list(List)
  case dictionary(Dictionary)
  case storage(TorchStorage)
  case tensor(TorchTensor)
  /// A name that stands for a class or function of Python; nothing is ever called but those known here.
  case global(Global)
  /// Plain data that no dictionary is made of, by what it is: `a torch.device`.
  case other(String)

  /// A list or tuple, shared by all places that name it.
  package final class List {
    package var elements: [Pickle]
    init(_ elements: [Pickle] = []) { self.elements = elements }
  }

  /// The entries of a dictionary whose keys are texts, shared by all places that name it.
  package final class Dictionary {
    package var values: [String: Pickle] = [:]
  }

  /// A whole pickle: its value, and all lists and dictionaries in it.
  ///
  /// They may be nested as deeply as the file is long, or hold themselves. At the end of this object's life each is
  /// emptied by itself: freed from the outside in they would take stack, and those in a circle would stay.
  package final class Tree {
    package internal(set) var root = Pickle.none
    private var lists: [List] = []
    private var dictionaries: [Dictionary] = []

    /// How many there are.
    var count: Int { lists.count + dictionaries.count }

    func list(_ elements: [Pickle] = []) -> List {
      lists.append(List(elements))
      return lists.last!
    }

    func dictionary() -> Dictionary {
      dictionaries.append(Dictionary())
      return dictionaries.last!
    }

    deinit {
      root = .none
      for list in lists { list.elements = [] }
      for dictionary in dictionaries { dictionary.values = [:] }
    }
  }

  /// The names that a file may use: those that `torch.load(weights_only=True)` takes for plain.
  package enum Global: Hashable {
    case orderedDictionary
    case rebuildTensor
    case rebuildParameter
    /// A tensor that carries attributes: the call that it stands for is in its arguments.
    case rebuildFromType
    case storage(TorchStorage.Element)
    /// What makes nothing that is needed here: a dtype, a device, a set.
    case plain(String)

    /// The name for the one that Python writes as `module` and `name`.
    init?(module: String, name: String) {
      // As Python 2 and protocol 2 call it.
      let module = module == "__builtin__" ? "builtins" : module
      switch (module, name) {
      case ("collections", "OrderedDict"): self = .orderedDictionary
      case ("torch._utils", "_rebuild_tensor_v2"), ("torch._utils", "_rebuild_tensor"): self = .rebuildTensor
      case ("torch._utils", "_rebuild_parameter"), ("torch._utils", "_rebuild_parameter_with_state"):
        self = .rebuildParameter
      case ("torch._tensor", "_rebuild_from_type_v2"): self = .rebuildFromType
      default:
        if module == "torch", let element = TorchStorage.Element(rawValue: name) {
          self = .storage(element)
        } else if Self.plain[module]?.contains(name) == true {
          self = .plain("\(module).\(name)")
        } else {
          return nil
        }
      }
    }

    private static let plain: [String: Set<String>] = [
      "collections": ["Counter"], "builtins": ["bytearray", "complex", "set"], "_codecs": ["encode"],
      "torch": dtypes.union(storages).union(tensors).union(["Size", "Tensor", "device"]),
      "torch.cuda": storages.union(tensors), "torch.sparse": tensors, "torch.cuda.sparse": tensors,
      "torch.storage": ["TypedStorage", "UntypedStorage"], "torch.nn.parameter": ["Parameter"],
      "torch.serialization": ["_get_layout"],
      "torch._utils": [
        "_rebuild_device_tensor_from_cpu_tensor", "_rebuild_device_tensor_from_numpy",
        "_rebuild_meta_tensor_no_storage", "_rebuild_qtensor", "_rebuild_sparse_tensor", "_rebuild_tensor_v3",
        "_rebuild_wrapper_subclass",
      ],
    ]
    private static let dtypes: Set<String> = [
      "bool", "bfloat16", "float16", "float32", "float64", "complex32", "complex64", "complex128",
      "bcomplex32",
      "int1", "int2", "int3", "int4", "int5", "int6", "int7", "int8", "int16", "int32", "int64",
      "uint1", "uint2", "uint3", "uint4", "uint5", "uint6", "uint7", "uint8", "uint16", "uint32", "uint64",
      "float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz", "float8_e8m0fnu",
      "float4_e2m1fn_x2", "bits8", "bits16", "bits1x8", "bits2x4", "bits4x2",
      "qint8", "qint32", "quint8", "quint2x4", "quint4x2",
      "per_channel_affine", "per_channel_affine_float_qparams", "per_channel_symmetric", "per_tensor_affine",
      "per_tensor_symmetric",
    ]
    private static let storages = Set(
      TorchStorage.Element.allCases.map(\.rawValue) + [
        "ComplexDoubleStorage", "ComplexFloatStorage", "QInt32Storage", "QInt8Storage", "QUInt2x4Storage",
        "QUInt4x2Storage", "QUInt8Storage",
      ])
    private static let tensors = Set(
      TorchStorage.Element.allCases.map { $0.rawValue.replacing("Storage", with: "Tensor") })
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
    case .other(let name): name
    }
  }

  package var int: Int? { if case .int(let value) = self { value } else { nil } }
  var string: String? { if case .string(let value) = self { value } else { nil } }
  var tuple: [Pickle]? { if case .tuple(let value) = self { value.elements } else { nil } }
  /// The elements of a list or tuple.
  var sequence: [Pickle]? { if case .list(let value) = self { value.elements } else { tuple } }
  var dictionary: Dictionary? { if case .dictionary(let value) = self { value } else { nil } }
}
