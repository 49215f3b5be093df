extension MappedFile {
  /// The whole file as text; nil when it is not UTF-8.
  public var text: String? { String(validating: bytes, as: UTF8.self) }
}
