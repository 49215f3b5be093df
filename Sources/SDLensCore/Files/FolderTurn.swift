import Foundation

/// Lets processes that read a file, change it and write it again do so one after the other.
package enum FolderTurn {
  /// Runs `body` while no other process that asks for a turn in a folder has one, as far as the disk has locks.
  package static func take<R>(in folder: String, _ body: () throws -> R) rethrows -> R {
    let descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    defer { if descriptor >= 0 { close(descriptor) } }
    // Some disks have none; then whoever writes last is right.
    while descriptor >= 0 && flock(descriptor, LOCK_EX) != 0 && errno == EINTR {}
    return try body()
  }
}
