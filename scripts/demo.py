"""The interactive demo: streamlit run scripts/demo.py -- --run outputs."""

from recloop.demo.app import show

show()
