import SDLensCore

extension WorkEstimate {
  /// The estimate, within 80 columns.
  public var text: String {
    var table = Table(left: [0, 1, 3])
    for work in works {
      table.add(
        work.name, "\(Units.grouped(work.pieces)) \(work.unit)", Units.time(.seconds(work.seconds)),
        work.measured == 0 ? "" : "\(Units.pace(work.secondsEach, work.unit)), the median of \(work.measured)"
      )
    }
    if works.count > 1 { table.add("all", "", Units.time(.seconds(seconds)), "") }
    table.add("disk", "", Units.bytes(disk), "\(Units.bytes(diskFree)) are free")
    table.add("memory", "", Units.bytes(memory), "this machine has \(Units.bytes(memoryTotal))")
    return table.text
  }
}
