"""The order of things: the chapters, their files, and of what is wrong in the book the most instructive first.

What is not named here is not lost, it comes last.
"""

from __future__ import annotations

from .entry import VERDICTS, Item, Text

CHAPTERS: dict[str, Text] = {
    "losses_geometry": ("4.1 Losses from probability and geometry", "4.1 概率与几何视角下的损失函数"),
    "losses_structure": ("4.2 The structure of losses", "4.2 损失函数的数学结构"),
    "optimizers": ("How deep learning is optimised", "深度学习的优化器"),
    "dynamics": ("The dynamics of gradient descent", "梯度下降的动力学"),
    "training": ("6 Training models", "6 训练模型"),
}
FILES = {  # as the book's texts go
    "losses_geometry": """
        entropies relative_entropy kl_asymmetry noise_models simplex squared_error gaussian_likelihood
        likelihood_and_mse cross_entropies categorical loss_surfaces prediction_space projections hat_matrix bregman
        kl_as_bregman fisher simplex_curvature information_projection softmax_gradient softmax floating_point
        log_sum_exp softmax_fusion softmax_duality""",
    "losses_structure": """
        landscapes places minima_count lottery_tickets data_rank minima_spread convex_losses squared_convexity
        cross_entropy_convexity log_partition separable strong_convexity flat_directions pseudoconvexity regularised
        linear_networks network_curvature lipschitz squared_error cross_entropy_curvature conditioning step_sizes
        lipschitz_estimates saturation deep_gradients sigmoid_cross_entropy binary_cross_entropy explosion
        fused_softmax optimisation_paths straight_paths convergence_rate adam_and_curvature loss_boundaries
        late_training critical_kinds width_and_minima saddle_escape saddle_methods flatness sgd_noise sgd_flat
        loss_choice absolute_error leverage imbalance rare_class rate_sensitivity best_rates clipping wide_network
        rate_schedules early_instability schedules_with_noise saturated_start""",
    "optimizers": """
        least_squares smoothness stability_limit ravine stationary challenges unbiased minibatch langevin occupancy
        momentum momentum_landscapes momentum_overshoot preconditioning adaptive gradient_sequences plateau_race
        schedule_shapes warmup schedule_comparison decay armijo backtracking deep_linear random_labels_linear
        generalisation deep_linear_limits announced""",
    "dynamics": """
        steepest_descent descent parabola curvature_and_rate constant_rate saddle_points saddle_traps spirals
        local_greedy solution_sets factor_norms matrix_sensing nuclear_norm_fails sparse_bias chaos chaos_networks""",
    "training": """
        training_loop line_fit convexity gabor gabor_model critical_points starts batches epochs batch_steps sgd_paths
        sgd_claims step_decay momentum_average nesterov nesterov_geometry normalised_steps adam_uncorrected adam_claims
        adam_scale adam_axes search_and_summary stochastic_approximation hessians line_searches newtons_method
        batch_noise sgd_minima sgd_networks linear_scaling adagrad adam_and_sgd adam_relatives wilson decay_and_switch
        quantised_search problem_gradients problem_shallow problem_shapes problem_paths problem_steps""",
}
WRONG: dict[Text, str] = {  # what does not hold as printed, by what a reader loses who believes it
    ("Formulas that compute something else", "照原文计算会得到另一种结果的公式"): """
        nesterov adam-minibatch minibatch-sgd-sum sgd-special-case-of-adam saddle-escape-time
        gradient-norm-as-lipschitz-estimate ce-lipschitz-bound mse-lipschitz-constant clipped-effective-learning-rate
        fused-loss-sign-slip softmax-ce-hessian mse-strong-convexity-constant eq-4-1-3-double-counts-kl
        step-one-over-l-is-fastest mse-boundary-behaviour hessian-matrix""",
    ("Sentences that have a counterexample", "存在反例的论断"): """
        momentum-overshoot-quartic mse-lr-sensitivity unbounded-loss-implies-unbounded-gradient
        implicit-bias-not-nuclear-norm newton-pitfalls adam-estimates-curvature convexity-implies-unique-minimum
        gd-stationary-not-minimum flatness-measure mse-straight-line-path ce-convexity-by-composition
        pseudoconvexity-definition strong-convexity-smallest-nonzero-eigenvalue lbfgs-identifies-negative-curvature
        softmax-bijection fisher-simplex-has-constant-curvature orthogonality-on-convex-sets
        deep-linear-dependent-inputs convex-chord-wording kl-local-fisher-metric softmax-ce-isomorphism""",
    ("Names, signs and explanations", "名称、符号与解释"): """
        saturation-example-099 gabor-model radam lottery-ticket-misnomer softmax-dual-of-log-partition
        ce-sigmoid-cancellation table-4-1-1-mse-vs-cross-entropy loglik-proportional-to-mse""",
}


def place(entry: Item) -> tuple[int, int, str, int]:
    """Sorts items as the book has them: chapter, file, line."""
    chapters, files = list(CHAPTERS), FILES.get(entry.chapter, "").split()
    file = entry.function.__module__.rpartition(".")[2]
    return (
        chapters.index(entry.chapter) if entry.chapter in chapters else len(chapters),
        files.index(file) if file in files else len(files),
        file,
        entry.function.__code__.co_firstlineno,
    )


def wrong(items: list[Item]) -> dict[Text, list[Item]]:
    """What does not hold as printed, in its groups, the most instructive first."""
    left = {entry.id: entry for entry in items if entry.verdict == VERDICTS[2]}
    groups = {name: [left.pop(id) for id in ids.split() if id in left] for name, ids in WRONG.items()}
    groups[list(WRONG)[-1]] += left.values()
    return {name: found for name, found in groups.items() if found}
