/// A problem that the person at the command line can mend: bad input, a missing file, a full disk.
///
/// The description is one or two sentences: the thing by name, the value found, the value needed and
/// the next step. A wrong shape between our own layers is a `precondition` instead.
public protocol UserError: Error, CustomStringConvertible, Sendable {}
