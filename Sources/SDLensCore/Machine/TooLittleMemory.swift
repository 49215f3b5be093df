/// Work that surely has no room.
public struct TooLittleMemory: UserError {
  let thing: String
  let what: String
  let needed: Int
  let left: Int
  /// Behind what is left: which limit it is.
  let limit: String
  let advice: String

  /// What needs memory, how much and for what, how much there is, and what to do.
  public var description: String {
    "'\(thing)' needs at least \(Memory.mebibytes(needed)) of memory for \(what), but this process can get only "
      + "\(Memory.mebibytes(left))\(limit); \(advice)"
  }

  /// Refuses work for which there surely is no room, before it begins.
  ///
  /// - Parameters:
  ///   - mapped: the bytes of files that are mapped together, and what they are.
  ///   - written: the bytes of memory that are in use at one time at least, and what they are.
  ///   - advice: how to need less.
  /// - Throws: `TooLittleMemory`.
  package static func check(
    _ thing: String, mapped: (bytes: Int, what: String)? = nil, written: (bytes: Int, what: String)?,
    advice: String
  ) throws {
    for (parts, left, limit) in [
      ([mapped, written], Memory.addressesLeft, " of addresses ('ulimit -v' shows the limit)"),
      ([written], Memory.dataLeft, " ('ulimit -d' shows the limit)"),
      ([written], Memory.limit, ""),
    ] {
      let parts = parts.compactMap(\.self)
      let needed = parts.reduce(0) { $0 + $1.bytes }
      guard let left, needed > left else { continue }
      throw TooLittleMemory(
        thing: thing, what: parts.map(\.what).joined(separator: " and "), needed: needed, left: left,
        limit: limit,
        advice: advice)
    }
  }
}
