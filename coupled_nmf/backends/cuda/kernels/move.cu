// Moves of the rows of a factor by gram and cross: the solvers' rules, what extrapolates, and the sums for J.
#include "block_sum.cuh"
#include "control.cuh"
#include "rows.cuh"

enum Wants { PENALTY = 1, ENERGY = 2 };

struct Hals {
  static __device__ __forceinline__ REAL where_zero(REAL l1) { return l1 == 0 ? REAL(0) : REAL(LARGE); }

  template <typename Cross>
  static __device__ __forceinline__ void sweep(Row& v, const Gram& gram, const Cross* cross, long long ld_cross,
                                               REAL l1, int fixed, REAL*, long long) {
    hals_pass(v, gram, cross, ld_cross, l1, fixed);
  }
};

struct Mu {
  static __device__ __forceinline__ REAL where_zero(REAL) { return 0; }  // no step is scaled

  // All entries move at once, so the denominators wait in `room`: registers do not hold two rows.
  template <typename Cross>
  static __device__ __forceinline__ void sweep(Row& v, const Gram& gram, const Cross* cross, long long ld_cross,
                                               REAL l1, int fixed, REAL* room, long long ld_room) {
    v.each(gram.k, [&](int j, REAL&) { room[j * ld_room] = l1 + REAL(SMALLEST) + gram.dot(j, v); });
    v.each(gram.k, [&](int j, REAL& entry) {
      if (j < fixed) return;
      entry = moves::multiplicative(entry, REAL(cross[j * ld_cross]), room[j * ld_room], REAL(SMALLEST));
    });
  }
};

// The row moves from `held`, extrapolated, to `other`; `further` and `weighted` get the point beyond, and that times
// the row's weight. Its first `fixed` entries stay. In place both betas are zero. WIDTH == 0: the multiplicative update
// needs `further` as room.
template <typename Rule, typename Cross>
__device__ __forceinline__ void move_rows(const double* control, REAL* first, REAL* second, long long ld,
                                          const Cross* cross, long long ld_cross, const REAL* grams, int k, REAL l1,
                                          double l2, int n_sweeps, int fixed, int n, const int* order,
                                          const int* gram_of_block, const double* weights, REAL* further,
                                          REAL* weighted, long long ld_further, int wants, double* partials) {
  if (is_done(control)) return;
  __shared__ __align__(16) REAL gram_room[Gram::SIZE];
  const Gram gram(own_gram(grams, k, gram_of_block), k, Rule::where_zero(l1), gram_room);
  const int row = own_row(n, order);
  double sums[2] = {};  // penalty, energy
  if (row >= 0) {
    const REAL last_beta = beta_of(control, LAST_BETA), next_beta = beta_of(control, NEXT_BETA);
    const REAL* held = (is_flipped(control) ? second : first) + row;
    REAL* other = (is_flipped(control) ? first : second) + row;
    const double weight = weights ? weights[row] : 1.0;
    cross += row;
    if (further) further += row;
    if (weighted) weighted += row;
    REAL* room = WIDTH > 0 ? other : further;
    const long long ld_room = WIDTH > 0 ? ld : ld_further;

    Row v(other, ld);
    v.each(k, [&](int j, REAL& entry) {
      entry = last_beta > 0 ? moves::extrapolated(held[j * ld], other[j * ld], last_beta) : held[j * ld];
    });
    for (int sweep = 0; sweep < n_sweeps; ++sweep) Rule::sweep(v, gram, cross, ld_cross, l1, fixed, room, ld_room);
    if (wants & ENERGY) {
      v.each(k, [&](int j, REAL& entry) {
        const REAL now = REAL(cross[j * ld_cross]), gradient = now - gram.dot(j, v);
        sums[1] += moves::energy(entry, now, gradient, l1);
      });
    }
    v.each(k, [&](int j, REAL& entry) {
      other[j * ld] = entry;
      const REAL point = next_beta > 0 ? moves::extrapolated(entry, held[j * ld], next_beta) : entry;
      if (further) further[j * ld_further] = point;
      if (weighted) weighted[j * ld_further] = weights ? weigh(point, weight) : point;
      if (wants & PENALTY) sums[0] += moves::penalty(double(point), point, double(l1), l2);
    });
    for (double& sum : sums) sum *= weight;
  }
  if (wants) {
    const double total = sum_over_block<ROWS_PER_BLOCK>(sums);
    if (threadIdx.x < 2) partials[2 * blockIdx.x + threadIdx.x] = total;
  }
}

#define MOVE(NAME, RULE, CROSS)                                                                                      \
  extern "C" __global__ void __launch_bounds__(ROWS_PER_BLOCK, 1)                                                    \
      NAME(const double* control, REAL* first, REAL* second, long long ld, const CROSS* __restrict__ cross,          \
           long long ld_cross, const REAL* __restrict__ grams, int k, REAL l1, double l2, int n_sweeps, int fixed,   \
           int n, const int* __restrict__ order, const int* __restrict__ gram_of_block,                              \
           const double* __restrict__ weights, REAL* __restrict__ further, REAL* __restrict__ weighted,              \
           long long ld_further, int wants, double* __restrict__ partials) {                                         \
    move_rows<RULE>(control, first, second, ld, cross, ld_cross, grams, k, l1, l2, n_sweeps, fixed, n, order,        \
                    gram_of_block, weights, further, weighted, ld_further, wants, partials);                         \
  }

// *_rows: F, whose cross is a product; *_columns: H transposed, whose cross is summed in double.
MOVE(hals_rows, Hals, REAL)
MOVE(hals_columns, Hals, double)
MOVE(mu_rows, Mu, REAL)
MOVE(mu_columns, Mu, double)
