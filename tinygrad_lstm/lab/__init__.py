"""The lab: the microscope alive, on a page: type sentences, watch a net learn them, turn its levers, edit its cell.

`session` answers messages (`messages` finds who answers), and knows nothing of who carries them: a browser's worker, or
`server` with its `deadline`. `offers` has the tasks and cells to choose from, `cellcode` makes a cell of a user's text,
`learner` is one net in training, `levers` are what may be changed in a trained one, `measured` is what is seen then,
`takeaway` makes scripts, pages and pictures of it, `wordings` says it in two languages. `page` has the files of
assets/, which `server` sends and `site` writes into a folder, with all that a browser needs.
"""

from .session import Session

__all__ = ["Session"]
