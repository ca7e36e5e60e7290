from __future__ import annotations

import pickle

from ssl4sar.core.errors import UserError


def test_text_names_subject_problem_and_fix() -> None:
    error = UserError("a.png", "the file is empty", "replace it")
    assert str(error) == "a.png: the file is empty; replace it"


def test_error_crosses_process_boundaries() -> None:
    error = pickle.loads(pickle.dumps(UserError("a", "b", "c")))
    assert (error.subject, error.problem, error.fix) == ("a", "b", "c")


def test_text_of_strangers_cannot_move_the_terminal() -> None:
    error = UserError("a\x1b[2J.png", "it says\n \x07hello", "remove \u202eit")
    assert str(error) == "a\\x1b[2J.png: it says \\x07hello; remove \\u202eit"
    assert error.subject == "a\x1b[2J.png"
