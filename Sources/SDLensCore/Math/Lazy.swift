import Synchronization

/// A value that is made when it is first asked for, once, whichever thread asks.
final class Lazy<Value: Sendable>: Sendable {
  private enum State: Sendable {
    case recipe(@Sendable () -> Value)
    case made(Value)
  }

  private let state: Mutex<State>

  /// Keeps the recipe; it is let go when the value is made.
  init(_ recipe: @escaping @Sendable () -> Value) { state = Mutex(.recipe(recipe)) }

  var value: Value {
    state.withLock { state in
      switch state {
      case .made(let value): return value
      case .recipe(let recipe):
        let value = recipe()
        state = .made(value)
        return value
      }
    }
  }
}
