import COpenBLAS

/// Dense products. OpenBLAS runs on the calling thread only; `Parallel` splits the work.
public enum BLAS {
  // OpenBLAS's own threads would spin beside ours between two products.
  private static let singleThreaded: Void = {
    openblas_set_num_threads(1)
    checkBuffers()
  }()

  /// Ends the program where OpenBLAS would not get its buffer of 128 MiB for each thread that calls it.
  static func checkBuffers() { OutOfMemory.checkAddresses(Parallel.threads << 27) }

  /// `c = alpha · a · b + beta · c`, or `a · bᵀ`, with `c` [m, n], `a` [m, k], `b` [k, n] or [n, k].
  ///
  /// `strideA`, `strideB` and `strideC` are the distances between rows.
  static func multiply(
    m: Int, n: Int, k: Int, alpha: Float = 1,
    _ a: UnsafePointer<Float>, strideA: Int,
    _ b: UnsafePointer<Float>, strideB: Int, transposed: Bool,
    beta: Float, into c: UnsafeMutablePointer<Float>, strideC: Int
  ) {
    guard m > 0, n > 0 else { return }
    precondition(strideA >= k && strideB >= (transposed ? k : n) && strideC >= n)
    precondition(max(m, n, k, strideA, strideB, strideC) <= Int(Int32.max), "an extent beyond BLAS's 32 bits")
    _ = singleThreaded
    cblas_sgemm(
      CblasRowMajor, CblasNoTrans, transposed ? CblasTrans : CblasNoTrans,
      Int32(m), Int32(n), Int32(k), alpha, a, Int32(strideA), b, Int32(strideB),
      beta, c, Int32(strideC))
  }

  /// `c = a · b` in double precision, either factor transposed if said so: `c` [m, n], `a` [m, k] or [k, m],
  /// `b` [k, n] or [n, k].
  static func multiply(
    m: Int, n: Int, k: Int,
    _ a: UnsafePointer<Double>, strideA: Int, transposed aTransposed: Bool,
    _ b: UnsafePointer<Double>, strideB: Int, transposed bTransposed: Bool,
    into c: UnsafeMutablePointer<Double>, strideC: Int
  ) {
    guard m > 0, n > 0 else { return }
    precondition(strideA >= (aTransposed ? m : k) && strideB >= (bTransposed ? k : n) && strideC >= n)
    precondition(max(m, n, k, strideA, strideB, strideC) <= Int(Int32.max), "an extent beyond BLAS's 32 bits")
    _ = singleThreaded
    cblas_dgemm(
      CblasRowMajor, aTransposed ? CblasTrans : CblasNoTrans, bTransposed ? CblasTrans : CblasNoTrans,
      Int32(m), Int32(n), Int32(k), 1, a, Int32(strideA), b, Int32(strideB), 0, c, Int32(strideC))
  }

  /// The kernels that OpenBLAS picked for this processor, as in `Zen` or `SkylakeX`.
  public static var coreName: String {
    openblas_get_corename().map { String(cString: $0) } ?? "unknown"
  }

  /// Version and build options of the library.
  public static var configuration: String {
    openblas_get_config().map { String(cString: $0) } ?? "unknown"
  }
}
