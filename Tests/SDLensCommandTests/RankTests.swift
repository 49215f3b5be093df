import SDLensCore
import SDLensTestSupport
import Testing

/// `sdlens train-sae` under `mpirun`, as far as that shows without MPI; `Scripts/mpi_test` does the rest.
@Suite struct RankTests {
  #if !MPI
    @Test(arguments: ["OMPI_COMM_WORLD_SIZE", "PMI_SIZE"]) func otherProcessesNeedMPI(name: String) throws {
      let outcome = try Command.run(
        ["train-sae", "--input", "vectors.safetensors"], in: TemporaryFolder(), environment: [name: "2"])
      #expect(outcome.status == 1 && outcome.out.isEmpty)
      #expect(
        outcome.err
          == "Error: 2 processes were started together, but this sdlens was built without MPI, so that each would train for "
          + "itself; build it with 'swift build -c release --traits MPI', or start one\n")
    }
  #endif

  @Test func tasksOfAnArrayAreAlone() throws {
    let folder = try TemporaryFolder()
    try Safetensors.write([("x", Tensor.random([500, 12], seed: 1))], to: folder("vectors.safetensors"))
    let outcome = try Command.run(
      [
        "train-sae", "--input", "vectors.safetensors", "--features", "24", "--k", "3", "--steps", "2",
        "--batch", "64",
        "--workspace", "w",
      ], in: folder, environment: ["SLURM_NTASKS": "4"])
    #expect(outcome.status == 0, "\(outcome.err)")
  }
}
