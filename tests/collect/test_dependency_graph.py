"""Strongly connected components, each after those that it points to."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from static_host_build.collect.dependency_graph import find_components


def test_circles_are_together_and_come_after_what_they_point_to() -> None:
    edges = {"page": ["a"], "a": ["b", "leaf"], "b": ["c"], "c": ["a"], "leaf": [], "alone": ["alone"]}
    assert [sorted(members) for members in find_components(edges)] == [["leaf"], ["a", "b", "c"], ["page"], ["alone"]]


def test_a_chain_may_be_longer_than_the_stack() -> None:
    edges = {str(n): [str(n + 1)] for n in range(50_000)} | {"50000": []}
    assert list(find_components(edges))[:2] == [["50000"], ["49999"]]


@given(st.integers(1, 12).flatmap(lambda n: st.lists(st.lists(st.integers(0, n - 1)), min_size=n, max_size=n)))
def test_they_are_the_classes_of_nodes_that_reach_each_other(graph: list[list[int]]) -> None:
    edges = {str(node): [str(target) for target in targets] for node, targets in enumerate(graph)}
    reach = {node: {node} for node in edges}
    for _ in edges:
        for node, targets in edges.items():
            reach[node].update(*(reach[target] for target in targets))
    found = list(find_components(edges))
    assert sorted(node for members in found for node in members) == sorted(edges)
    for place, members in enumerate(found):
        assert all(other in reach[node] for node in members for other in members)
        earlier = {node for others in found[: place + 1] for node in others}
        assert all(set(edges[node]) <= earlier for node in members)
