"""What is minimized, by name, and what is known of it without data; each backend has the moves."""

from __future__ import annotations

from coupled_nmf.data.blocks import BlockLayout


class FrobeniusFacts:
    """J = Σ_b α_b ‖X_b − F H_b‖²."""

    grows_with_totals = False  # but with the squares of X

    @staticmethod
    def shapes_of_sums(n_components: int, layout: BlockLayout) -> list[tuple[int, ...]]:
        """Shapes of FᵀX, FᵀF of each block, and two numbers."""
        return [(n_components, layout.n_features), (len(layout.names), n_components, n_components), (2,)]


class KullbackLeiblerFacts:
    """J = 2 Σ_b α_b Σ (x log(x / fh) − x + fh)."""

    grows_with_totals = True

    @staticmethod
    def shapes_of_sums(n_components: int, layout: BlockLayout) -> list[tuple[int, ...]]:
        """Shapes of the numerator and the divisor of H, and two numbers."""
        return [(n_components, layout.n_features), (len(layout.names), n_components), (2,)]


Loss = type[FrobeniusFacts] | type[KullbackLeiblerFacts]
LOSSES: dict[str, Loss] = {"frobenius": FrobeniusFacts, "kullback-leibler": KullbackLeiblerFacts}
