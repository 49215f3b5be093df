import SDLensTestSupport

/// Runs a line of shell, in a user and mount namespace of its own where it mounts something.
func shell(_ line: String, in folder: TemporaryFolder) throws -> Outcome {
  let isMounting = line.contains("mount ")
  return try Command.run(
    (isMounting ? ["--user", "--map-root-user", "--mount", "bash"] : []) + ["-c", line], in: folder,
    program: isMounting ? "/usr/bin/unshare" : "/bin/bash")
}

/// Makes `disk` in the current folder a disk of its own, of a size; needs the right to mount one.
func mount(kilobytes: Int) -> String { "mount -t tmpfs -o size=\(kilobytes)k none disk" }

/// Whether tests may mount, which a container may not.
let canMount = {
  guard let folder = try? TemporaryFolder(), (try? folder.write([], to: "disk/.nothing")) != nil else {
    return false
  }
  return (try? shell(mount(kilobytes: 8), in: folder))?.status == 0
}()
