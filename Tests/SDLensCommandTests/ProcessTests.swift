import Foundation
import SDLensTestSupport
import Testing

/// What surrounds a process: other processes, limits, descriptors, fonts.
@Suite struct ProcessTests {
  private let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
    try folder.write(
      (0..<16).map { "a house with \($0) windows" }.joined(separator: "\n").utf8, to: "prompts.txt")
  }

  private static let program = "'\(Command.program)'"
  private static let generate = "\(program) generate --prompt x --quiet --output p.png"
  private static let collect =
    "\(program) collect --model '\(Command.tinyModel)' --prompts prompts.txt --shard-size 2 --quiet"
  private static let train =
    "\(program) train-sae --model '\(Command.tinyModel)' --store store/activations/s --block mid.0 --features 24 --k 3 "
    + "--batch 32 --aux-k 8 --dead-after 500 --log-every 1"

  /// What a group cannot hold may go there.
  private static let hasSwap =
    ((try? String(contentsOfFile: "/proc/swaps", encoding: .utf8)) ?? "").split(separator: "\n").count > 1

  // MARK: Several processes

  @Test func partsStartedTogether() throws {
    #expect(try shell("\(Self.collect) --workspace a --name s", in: folder).status == 0)
    let outcome = try shell(
      """
      for round in 1 2 3; do
        rm -rf b; p=
        for i in 1 2 3 4; do \(Self.collect) --workspace b --name s --threads 1 --shard $i/4 & p="$p $!"; done
        for j in $p; do wait $j || echo failed; done
        diff -r a b
      done
      """, in: folder)
    #expect(outcome.out.replacingOccurrences(of: "b/activations/s\n", with: "") == "" && outcome.err == "")
  }

  @Test func theSameCollectTwiceAtOnce() throws {
    let outcome = try shell(
      """
      \(Self.collect) --workspace a --name s >/dev/null & \(Self.collect) --workspace a --name s >/dev/null
      first=$?; wait $! && [ $first = 0 ] && \(Self.collect) --workspace b --name s >/dev/null && diff -r a b
      """, in: folder)
    #expect(outcome == Outcome(status: 0, out: "", err: ""))
  }

  @Test func anotherJobAtOnceIsRefusedWhicheverIsFirst() throws {
    let outcome = try shell(
      """
      \(Self.collect) --workspace a --name s --seed 1 & \(Self.collect) --workspace a --name s --seed 2
      first=$?; wait $!; echo "$first $?"; \(Self.program) info a/activations/s --quiet >/dev/null
      """, in: folder)
    #expect(outcome.status == 0, "\(outcome)")
    #expect(outcome.out.contains("0 1\n") || outcome.out.contains("1 0\n"), "\(outcome)")
    #expect(outcome.err.contains("a/activations/s' was begun with seed "), "\(outcome)")
  }

  @Test func theSameTrainingTwiceAtOnceHasNoLineTwice() throws {
    let outcome = try shell(
      """
      \(Self.collect) --workspace store --name s >/dev/null
      twice() { \(Self.train) --steps 60 --save-every 7 --quiet --workspace $1 >/dev/null; }
      twice a || exit 1
      for round in 1 2 3; do
        twice b & twice b; first=$?; wait $! && [ $first = 0 ] && diff -r a b || exit 1
        rm -rf b
      done
      """, in: folder)
    #expect(outcome == Outcome(status: 0, out: "", err: ""))
  }

  // MARK: Limits

  @Test(arguments: [
    (
      "ulimit -n 4", "the number of files that may be open at once is limited to 4: 16 are needed",
      "ulimit -n"
    ),
    ("ulimit -s 512", "the number of bytes of stack is limited to 524288: 1048576 are needed", "ulimit -s"),
  ]) func aLimitThatNothingCanBeDoneUnder(limit: String, sentence: String, shown: String) throws {
    let outcome = try shell("\(limit); \(Self.generate)", in: folder)
    #expect(outcome.err == "Error: \(sentence); raise the limit that '\(shown)' shows\n")
    #expect(outcome.status == 1)
  }

  /// A picture or a sentence, whatever the limit of addresses.
  @Test(arguments: [300, 340, 380, 420, 460, 520, 600]) func aLimitOfAddresses(megabytes: Int) throws {
    let outcome = try shell("ulimit -v \(megabytes)000; timeout -s KILL 60 \(Self.generate)", in: folder)
    #expect(outcome.status == 0 || outcome.status == 1, "\(outcome)")
    if outcome.status == 1 {
      #expect(outcome.err.hasPrefix("Error: ") && outcome.err.contains("emory"), "\(outcome)")
      #expect(try folder.contents == ["prompts.txt"])
    }
  }

  /// Where the libraries just fit, or do not, it ends as well.
  @Test(arguments: [150, 180, 190, 200, 210, 220, 230, 240, 260, 280]) func aLimitForLibraries(megabytes: Int)
    throws
  {
    let outcome = try shell("ulimit -v \(megabytes)000; timeout -s KILL 60 \(Self.generate)", in: folder)
    #expect([0, 1, 127].contains(outcome.status), "\(outcome)")
    #expect(outcome.status == 0 || outcome.err != "")
  }

  @Test(arguments: ["ulimit -d 200000", "ulimit -v 2000000; export OPENBLAS_NUM_THREADS=64"])
  func otherLimitsEndToo(limit: String) throws {
    let outcome = try shell("\(limit); timeout -s KILL 60 \(Self.generate)", in: folder)
    #expect(outcome.status == 0 || outcome.status == 1, "\(outcome)")
  }

  /// Nothing is computed that surely has no room in the end.
  @Test(
    arguments: [
      "generate --prompt x --output p.png", "visualize blocks --output p.png", "collect --images --limit 1",
    ],
    [
      ("v", "4110 MiB of memory for its weights and", " MiB of addresses ('ulimit -v' shows the limit)"),
      ("d", "4096 MiB of memory for", " MiB ('ulimit -d' shows the limit)"),
    ])
  func aPictureWithoutRoomIsRefusedAtOnce(
    command: String, limit: (letter: String, needed: String, name: String)
  ) throws {
    let outcome = try shell(
      "ulimit -\(limit.letter) 3000000; timeout -s KILL 60 \(Self.program) \(command) --quiet --size 4096",
      in: folder)
    #expect(outcome.status == 1 && outcome.out == "", "\(outcome)")
    let parts = [
      "Error: 'shapes' needs at least \(limit.needed) a picture of 4096 × 4096, but this process can get only ",
      limit.name
        + "; choose a smaller --size or a model with float16 weights, or run it where there is more; 'sdlens info' says "
        + "what a model takes\n",
    ]
    #expect(outcome.err.hasPrefix(parts[0]) && outcome.err.hasSuffix(parts[1]), "\(outcome.err)")
    // What is left of 2930 MiB.
    let left = Int(outcome.err.dropFirst(parts[0].count).dropLast(parts[1].count))
    #expect((1000..<2930).contains(left ?? 0), "\(outcome.err)")
    #expect(try folder.contents == ["prompts.txt"])
  }

  @Test func aTrainingWithoutRoomIsRefusedAtOnce() throws {
    let outcome = try shell(
      """
      \(Self.collect) --workspace store --name s >/dev/null
      ulimit -v 3000000; timeout -s KILL 60 \(Self.train) --features 8388608 --steps 5 --workspace w --quiet
      """, in: folder)
    #expect(outcome.status == 1 && outcome.out == "", "\(outcome)")
    #expect(
      outcome.err.hasPrefix(
        "Error: 'k3-n8388608' needs at least 8192 MiB of memory for weights, gradient and its means, but this process "
          + "can get only "), "\(outcome)")
    #expect(
      outcome.err.hasSuffix(
        " MiB of addresses ('ulimit -v' shows the limit); choose fewer --features or dictionaries, or run it where there "
          + "is more\n"), "\(outcome)")
    #expect(try folder.contents == ["prompts.txt", "store"])
  }

  /// Where weights do not fit, they are read again and again; where a picture does not, there is none.
  @Test(.enabled(if: canMount && !ProcessTests.hasSwap)) func theMemoryOfAGroupIsLookedAt() throws {
    let outcome = try shell(
      """
      mount -t tmpfs none /sys/fs/cgroup && cd /sys/fs/cgroup && echo 1073741824 >memory.max &&
      echo 1048576000 >memory.current && cd - >/dev/null &&
      \(Self.program) generate --prompt x --output p.png
      \(Self.program) generate --prompt x --output q.png --size 4096
      """, in: folder)
    #expect(outcome.status == 1, "\(outcome)")
    #expect(
      outcome.err.hasPrefix(
        "'shapes' takes about 42 MiB of memory, but only 24 MiB are available, so that its weights are read from "
          + "the disk again and again; close other programs\n"), "\(outcome)")
    #expect(
      outcome.err.contains(
        "Error: 'shapes' needs at least 4096 MiB of memory for a picture of 4096 × 4096, but this process can get "
          + "only "), "\(outcome)")
    #expect(try folder.contents == ["p.png", "prompts.txt"])
  }

  @Test(.enabled(if: canMount)) func aQuotaDecidesTheThreads() throws {
    let outcome = try shell(
      """
      mount -t tmpfs none /sys/fs/cgroup && echo '100000 100000' >/sys/fs/cgroup/cpu.max &&
      \(Self.program) doctor; \(Self.program) doctor --threads 2
      """, in: folder)
    #expect(outcome.out.contains("Threads     1 of "), "\(outcome)")
    #expect(outcome.out.contains(" cores, under a quota of 1.00 processors\n"), "\(outcome)")
    #expect(
      outcome.out.contains(
        "! 2 threads share a quota of 1.00 processors and wait for each other; leave --threads out"),
      "\(outcome)")
  }

  // MARK: Files

  @Test func aFileThatIsCutWhileItIsRead() throws {
    let outcome = try shell(
      """
      \(Self.collect) --shard-size 16 --workspace store --name s >/dev/null
      \(Self.train) --steps 1000000 --save-every 1000000 --workspace w --quiet & p=$!
      while ! [ -s w/training/mid.0/k3-n24/log.jsonl ]; do sleep 0.1; done
      truncate -s 5000 store/activations/s/shard-00000.safetensors; wait $p
      """, in: folder)
    #expect(outcome.status == 1)
    #expect(
      outcome.err
        == "Error: 'FOLDER/store/activations/s/shard-00000.safetensors' was cut or its disk failed while it was read; "
        + "let nothing write to it, and run the same command again\n")
  }

  @Test func aDamagedShardIsNotTrainedOn() throws {
    let outcome = try shell(
      """
      \(Self.collect) --workspace store --name s >/dev/null
      printf x | dd of=store/activations/s/shard-00003.safetensors bs=1 seek=5000 conv=notrunc 2>/dev/null
      \(Self.train) --steps 5 --workspace w --quiet
      """, in: folder)
    #expect(outcome.status == 1)
    #expect(
      outcome.err.hasPrefix("Error: 'store/activations/s/shard-00003.safetensors' has the checksum "),
      "\(outcome)")
  }

  /// They are what the next file would be opened as.
  @Test(arguments: ["2>&-", "<&- 2>&-", "<&-"]) func closedDescriptors(closed: String) throws {
    let outcome = try shell(
      """
      \(Self.collect) --workspace store --name s >/dev/null
      \(Self.train) --steps 20 --save-every 3 --workspace a >/dev/null 2>&1 &&
      \(Self.train) --steps 20 --save-every 3 --workspace b \(closed) >/dev/null && diff -r a b
      """, in: folder)
    #expect(outcome.status == 0 && outcome.out == "", "\(outcome)")
  }

  @Test func aClosedOutputIsNoSuccess() throws {
    let outcome = try shell("\(Self.generate) >&-", in: folder)
    #expect(outcome.status == 1)
    #expect(outcome.err.hasPrefix("Error: standard output cannot be written: "), "\(outcome)")
  }

  /// A store that cannot be read is no reason not to look at the others.
  @Test func aBadStoreIsPassedOver() throws {
    try folder.write("{}".utf8, to: "w/activations/bad/manifest.json")
    let outcome = try shell(
      """
      \(Self.collect) --workspace w --name good --block mid.0 >/dev/null
      sed 's/"pictures" : 16/"pictures" : 1099511627776/' w/activations/good/manifest.json >m
      mkdir w/activations/worse && mv m w/activations/worse/manifest.json
      \(Self.program) train-sae --model '\(Command.tinyModel)' --block mid.0 --features 24 --k 3 --batch 32 --steps 5 \
        --workspace w
      """, in: folder)
    #expect(outcome.status == 0, "\(outcome)")
    #expect(
      outcome.err.contains(
        "Passed over: 'w/activations/bad/manifest.json' is not as it should be: the outermost value has no "),
      "\(outcome)")
    #expect(
      outcome.err.contains("Passed over: 'w/activations/worse/manifest.json' has as 'pictures' 1099511627776")
    )
  }

  /// Of which nothing can be used: other prompts are not recorded in its place.
  @Test func aStoreThatIsAllDamagedIsNamed() throws {
    let outcome = try shell(
      """
      \(Self.collect) --workspace w --name s --block mid.0 >/dev/null
      for shard in w/activations/s/shard-*; do truncate -s 300 $shard; done
      \(Self.program) train-sae --model '\(Command.tinyModel)' --block mid.0 --features 24 --k 3 --steps 5 --workspace w
      """, in: folder)
    #expect(outcome.status == 1)
    #expect(
      outcome.err.hasPrefix("Error: 'w/activations/s/shard-00000.safetensors' is no shard ("), "\(outcome)")
    #expect(try shell("ls w", in: folder).out == "activations\n")
  }

  @Test func withoutFontsEveryDictionaryIsSaved() throws {
    try folder.write("<?xml version=\"1.0\"?><fontconfig></fontconfig>".utf8, to: "fonts.conf")
    let outcome = try shell(
      """
      export FONTCONFIG_FILE=$PWD/fonts.conf
      \(Self.program) train-sae --model '\(Command.tinyModel)' --prompts prompts.txt --block mid.0 up.0.1 --features 24 \
        --k 3 --batch 32 --steps 5 --workspace w
      """, in: folder)
    #expect(outcome.status == 0, "\(outcome)")
    #expect(outcome.out == "w/saes/mid.0/k3-n24\nw/saes/up.0.1/k3-n24\n")
    #expect(outcome.err.contains("The curves were not drawn: "), "\(outcome)")
  }
}
