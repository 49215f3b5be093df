import SDLensCore
import SDLensTestSupport
import Testing

/// Limits as containers and batch systems set them, in a folder in place of /sys/fs/cgroup.
@Suite struct ControlGroupTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func group(_ membership: String) -> ControlGroup {
    ControlGroup(root: folder.path, membership: membership)
  }

  @Test(arguments: [
    ("150000 100000", 1.5), ("50000 100000", 0.5), ("max 100000", nil), ("", nil), ("0 0", nil), ("x y", nil),
  ])
  func aQuotaOfVersion2(text: String, wanted: Double?) throws {
    try folder.write("\(text)\n".utf8, to: "cpu.max")
    #expect(group("0::/\n").processors == wanted)
    // Seen from within a container, the path is not there.
    #expect(group("0::/docker/abc\n").processors == wanted)
  }

  @Test func theLeastOfAllGroupsAroundCounts() throws {
    try folder.write("max 100000\n".utf8, to: "a/b/cpu.max")
    try folder.write("300000 100000\n".utf8, to: "a/cpu.max")
    try folder.write("800000 100000\n".utf8, to: "cpu.max")
    #expect(group("0::/a/b\n").processors == 3)
    #expect(group("0::/c\n").processors == 8)
  }

  @Test(arguments: ["cpu", "cpu,cpuacct"]) func aQuotaOfVersion1(name: String) throws {
    try folder.write("200000\n".utf8, to: "\(name)/job/cpu.cfs_quota_us")
    try folder.write("100000\n".utf8, to: "\(name)/job/cpu.cfs_period_us")
    try folder.write("-1\n".utf8, to: "\(name)/cpu.cfs_quota_us")
    try folder.write("100000\n".utf8, to: "\(name)/cpu.cfs_period_us")
    #expect(group("4:cpu,cpuacct:/job\n0::/\n").processors == 2)
    #expect(group("4:cpu,cpuacct:/\n0::/\n").processors == nil)
  }

  @Test func memory() throws {
    try folder.write("1000000\n".utf8, to: "a/memory.max")
    try folder.write("700000\n".utf8, to: "a/memory.current")
    try folder.write("anon 500000\ninactive_file 150000\nactive_file 50000\n".utf8, to: "a/memory.stat")
    try folder.write("max\n".utf8, to: "a/b/memory.max")
    #expect(group("0::/a/b\n").memory == 1_000_000)
    #expect(group("0::/a/b\n").memoryLeft == 500_000)
    #expect(group("0::/\n").memory == nil)
    try folder.write("9223372036854771712\n".utf8, to: "memory/memory.limit_in_bytes")
    try folder.write("5000\n".utf8, to: "memory/job/memory.limit_in_bytes")
    try folder.write("6000\n".utf8, to: "memory/job/memory.usage_in_bytes")
    #expect(group("4:memory:/job\n").memory == 5000)
    #expect(group("4:memory:/job\n").memoryLeft == -1000)
    #expect(group("4:memory:/\n").memory == nil)
  }

  @Test func threadsForAQuota() {
    let wanted: [(Double?, Int)] = [
      (nil, 8), (0.1, 1), (1, 1), (1.4, 1), (1.5, 2), (3.2, 3), (64, 8), (1e300, 8),
    ]
    for (quota, threads) in wanted { #expect(Processor.threads(cores: 8, quota: quota) == threads) }
  }
}
