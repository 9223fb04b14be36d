"""Pieces of HTML: what comes from data is text, never markup."""

from recloop.demo import markup
from recloop.demo.markup import Cell, Line


def test_titles_cannot_become_markup():
    html = markup.ranked([Line("1", "<script>x</script>", "0.5", "A & B", "#2")], 'a "list"')
    assert "<script>" not in html
    assert "&lt;script&gt;x&lt;/script&gt;" in html
    assert "A &amp; B" in html
    assert 'aria-label="a &quot;list&quot;"' in html


def test_a_list_without_ranks_keeps_no_room_for_them():
    assert "rl-plain" in markup.ranked([Line("", "Alien", "2001-09-09")], "history")
    assert "rl-plain" not in markup.ranked([Line("1", "Alien", "0.5")], "list")
    assert "rl-more" not in markup.ranked([Line("1", "Alien", "0.5")], "list")


def test_a_table_has_headers_remarks_and_lines_below():
    html = markup.table(
        [Cell("model"), Cell("ndcg@2", remark='says "more"')],
        [[Cell("a<b"), Cell("0.5", below="0.4 to 0.6")]],
        "board",
    )
    assert '<th scope="col" title="says &quot;more&quot;">ndcg@2</th>' in html
    assert "<td>a&lt;b</td><td>0.5<small>0.4 to 0.6</small></td>" in html


def test_sentences_and_terms_are_escaped():
    assert markup.sentences(["p < 0.05"]) == '<ul class="rl-said"><li>p &lt; 0.05</li></ul>'
    assert "<dt>a&amp;b</dt><dd>c</dd>" in markup.terms([("a&b", "c")])
    assert markup.soft("<i>") == '<p class="rl-soft">&lt;i&gt;</p>'
