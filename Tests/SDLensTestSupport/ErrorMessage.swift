import SDLensCore

/// What `body` says to the user when it fails.
///
/// An error that is no `UserError` is marked as one, and no error is an empty text, so that comparing the
/// message word for word also shows these.
public func errorMessage(of body: () throws -> some Any) -> String {
  do {
    _ = try body()
    return ""
  } catch let error as any UserError {
    return error.description
  } catch {
    return "not a UserError: \(error)"
  }
}
