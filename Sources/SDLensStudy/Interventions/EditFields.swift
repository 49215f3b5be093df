import SDLensCore

/// The members of a JSON object, each asked for once; what nobody asked for is refused by name.
package struct EditFields {
  /// What is wrong, as the end of a sentence that begins with the file.
  package struct Mistake: Error {
    package let reason: String
    package init(_ reason: String) { self.reason = reason }
  }

  private let place: String
  private var members: [String: JSONValue]
  private var known: [String] = []

  /// Takes an object; `place` says in messages which.
  package init(_ json: JSONValue, _ place: String) throws {
    guard case .object(let members) = json else {
      throw Mistake("has \(json) as \(place), but an object is needed")
    }
    (self.members, self.place) = (members, place)
  }

  package mutating func optional(_ key: String) -> JSONValue? {
    known.append(key)
    return members.removeValue(forKey: key).flatMap { $0 == .null ? nil : $0 }
  }

  package mutating func string(_ key: String) throws -> String {
    try value(key, "a text") { if case .string(let text) = $0 { text } else { nil } }
  }

  package mutating func int(_ key: String) throws -> Int {
    try value(key, "a whole number") { if case .int(let int) = $0 { int } else { nil } }
  }

  package mutating func double(_ key: String) throws -> Double { try value(key, "a number") { $0.number } }

  package mutating func array(_ key: String) throws -> [JSONValue] {
    try value(key, "a list") { if case .array(let elements) = $0 { elements } else { nil } }
  }

  /// A list of whole numbers, nil when absent.
  package mutating func optionalInts(_ key: String) throws -> [Int]? {
    guard let given = members[key], given != .null else {
      _ = optional(key)
      return nil
    }
    // Typed, so that a wrong list is not taken for an absent one.
    let list: [Int] = try value(key, "a list of whole numbers") {
      guard case .array(let elements) = $0 else { return nil }
      let ints = elements.compactMap { if case .int(let int) = $0 { int } else { nil } }
      return ints.count == elements.count ? ints : nil
    }
    return list
  }

  /// Refuses what is left.
  package func finish() throws {
    guard let key = members.keys.min() else { return }
    throw Mistake("has in \(place) the key '\(key)', which has no meaning there; the keys are: \(names)")
  }

  private var names: String { known.map { "'\($0)'" }.joined(separator: ", ") }

  private mutating func value<Value>(
    _ key: String, _ needed: String, read: (JSONValue) -> Value?
  ) throws -> Value {
    guard let found = optional(key) else {
      throw Mistake("has in \(place) no '\(key)'; it must be \(needed)")
    }
    guard let value = read(found) else {
      throw Mistake("has in \(place) as '\(key)' \(found), but it must be \(needed)")
    }
    return value
  }
}
