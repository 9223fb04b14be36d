"""Temporal-difference learning: what a step is worth, and by how much a value moves.

    target = r + g * V(s')            g: the discount, 0 where nothing follows
    shown:   Q(s, a) += step * (target - Q(s, a))
    chosen:  Q(s, .) += 1 / N(s) * ([. = a] * target - Q(s, .))

Algorithms differ by the rule that gives V(s'), and by nothing else:

    greedy    max_a Q(s', a)                           Q-learning, Watkins (1989); S&B eq. 6.8
    sampled   Q(s', a') of the action that followed    SARSA, Rummery and Niranjan (1994); eq. 6.7
    expected  sum_a pi(a | s') Q(s', a)                Expected SARSA, van Seijen et al. (2009);
                                                       eq. 6.9, pi epsilon-greedy
    double    Q_B(s', argmax_a Q_A(s', a))             Double Q-learning, van Hasselt (2010)

S&B: Sutton and Barto, Reinforcement Learning (2018). Numbers in, numbers out: a whole row of a
table enters as its maximum and its mean, so that a step costs the same for any catalogue.
"""

from recloop.utils.kernels import bare_kernel

GREEDY, SAMPLED, EXPECTED, DOUBLE = 0, 1, 2, 3


@bare_kernel
def expected_value(best, mean, epsilon):
    """The epsilon-greedy policy's average over a row of that maximum and mean (S&B eq. 6.9)."""
    return (1.0 - epsilon) * best + epsilon * mean


@bare_kernel
def next_value(rule, best, mean, named, is_named, epsilon):
    """V(s') by `rule`; all values are of the state that follows.

    named: the value of the action that the rule names (the one that followed, or the other table's
    best), if is_named. An action that is not known is averaged over: Expected SARSA stands in.
    """
    if rule == GREEDY:
        return best
    if rule != EXPECTED and is_named:
        return named
    return expected_value(best, mean, epsilon)


@bare_kernel
def td_target(reward, discount, value_of_next):
    """What a step says its pair is worth: r + g V(s')."""
    return reward + discount * value_of_next


@bare_kernel
def td_error(target, value):
    """How far the target of a step lies above the value of its pair (S&B eq. 6.5)."""
    return target - value
