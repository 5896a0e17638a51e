"""``python -m jupyter_costmeter.hub``: what the Hub starts."""

from .service import main

main()
