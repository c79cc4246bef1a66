// Compiled once for each instruction set, whose name INSTRUCTIONS is: all that is in here has to be in that namespace,
// or inlined always. What is in neither, such as a std::vector, has one name in all of them, and the linker keeps one
// copy, perhaps the one that this processor cannot run; tests/house/test_build.py looks for that.
#include "alone_rows.hpp"
#include "divergence_rows.hpp"
#include "gappy_rows.hpp"
#include "move_components.hpp"
#include "move_divergence_tile.hpp"
#include "move_gappy_tile.hpp"
#include "small_moves.hpp"
#include "solve_rows.hpp"
#include "sparse_moves.hpp"
#include "table.hpp"

namespace coupled_nmf::INSTRUCTIONS {

template <class T>
constexpr Kernels<T> KERNELS = {
    .add_dots = add_dots<T>,
    .add_outers = add_outers<T>,
    .add_to = add_to<T>,
    .move_tile = move_tile<T>,
    .move_columns = move_columns<T>,
    .move_both = move_both<T>,
    .move_gappy_tile = move_gappy_tile<T>,
    .move_divergence_tile = move_divergence_tile<T>,
    .move_components = move_components<T>,
    .move_sparse_tile = move_sparse_tile<T>,
    .sum_columns = sum_columns<T>,
    .turn_over = turn_over<T>,
    .multiply_tile = multiply_tile<T>,
    .power_tile = power_tile<T>,
    .multiply_gappy_tile = multiply_gappy_tile<T>,
    .invert = invert<T>,
    .solve_rows = solve_rows<T>,
    .pivot_rows = pivot_rows<T>,
    .solve_alone = solve_alone<T>,
    .solve_divergence_tile = solve_divergence_tile<T>,
    .scan_tile = scan_tile<T>,
    .find_gaps = find_gaps<T>,
    .list_gaps = list_gaps<T>,
    .residual_tile = residual_tile<T>,
    .gappy_residual_tile = gappy_residual_tile<T>,
    .dot_columns = DOT_COLUMNS,
    .outer_rows = OUTER_ROWS,
};

extern const Table table = {KERNELS<float>, KERNELS<double>};  // constant: nothing runs before it is chosen

}  // namespace coupled_nmf::INSTRUCTIONS
