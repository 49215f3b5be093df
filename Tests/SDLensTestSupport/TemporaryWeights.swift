import SDLensCore

/// The scope of a weight file that holds the tensors in a number format, for layers made in tests.
///
/// The file is gone from its folder when this returns; what is mapped of it stays readable. With `padding`, the
/// tensors begin that many bytes behind a multiple of 8.
public func temporaryWeights(
  _ tensors: [String: Tensor], as type: ElementType = .f32, padding: Int = 0,
  engine: any Engine = KernelEngine()
) throws -> WeightScope {
  let folder = try TemporaryFolder()
  var (header, data) = ([String](), [UInt8]())
  for (name, tensor) in tensors {
    let start = data.count
    data += safetensorsBytes(of: tensor.elements, as: type)
    header.append(
      #""\#(name)":{"dtype":"\#(type.rawValue)","shape":\#(tensor.shape),"data_offsets":[\#(start),\#(data.count)]}"#
    )
  }
  let text = "{\(header.joined(separator: ","))}"
  let aligned = text + String(repeating: " ", count: -text.utf8.count & 7 + padding)
  try folder.write(safetensorsBytes(aligned, data: data), to: "model.safetensors")
  return try WeightFile(folder: folder.path, name: "model", engine: engine).root
}

/// The bytes of numbers in a number format of weights; the numbers must have one.
public func safetensorsBytes(of numbers: [Float], as type: ElementType) -> [UInt8] {
  switch type {
  case .f16: bytes(of: numbers.map { Float16($0).bitPattern })
  case .bf16: bytes(of: numbers.map { UInt16($0.bitPattern >> 16) })
  default: bytes(of: numbers)
  }
}
