extension MappedFile {
  /// The whole file as text; nil when it is not UTF-8.
  public var text: String? { withBytes { String(validating: $0, as: UTF8.self) } }
}
