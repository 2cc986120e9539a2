"""Strongly connected components of a graph, by Tarjan's algorithm (SIAM J. Comput. 1(2), 1972).

Strategy: an explicit stack instead of recursion, because a chain of imports can exceed Python's recursion limit.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping


def find_components(edges: Mapping[str, Collection[str]]) -> Iterator[list[str]]:
    """Yield the strongly connected components, each after the components that it points to.

    `edges` has every node as a key. A node that is in no circle is a component of its own.
    """
    search = _Search(edges)
    for node in edges:
        if node not in search.order:
            yield from search.search_from(node)


class _Search:
    """One depth-first search. `order` numbers the nodes; `low` is the lowest number that a node reaches."""

    def __init__(self, edges: Mapping[str, Collection[str]]) -> None:
        self.edges = edges
        self.order: dict[str, int] = {}
        self.low: dict[str, int] = {}
        self.open: dict[str, None] = {}  # nodes whose component is not complete, in order

    def search_from(self, start: str) -> Iterator[list[str]]:
        """Yield the components that the search reaches first from `start`."""
        path = [(start, self._enter(start))]
        while path:
            node, targets = path[-1]
            target = next(targets, None)
            if target is None:
                path.pop()
                if path:
                    parent = path[-1][0]
                    self.low[parent] = min(self.low[parent], self.low[node])
                if self.low[node] == self.order[node]:
                    yield self._close_component(node)
            elif target not in self.order:
                path.append((target, self._enter(target)))
            elif target in self.open:
                self.low[node] = min(self.low[node], self.order[target])

    def _enter(self, node: str) -> Iterator[str]:
        self.order[node] = self.low[node] = len(self.order)
        self.open[node] = None
        return iter(self.edges[node])

    def _close_component(self, first: str) -> list[str]:
        members: list[str] = []
        while not members or members[-1] != first:
            members.append(self.open.popitem()[0])
        return members
