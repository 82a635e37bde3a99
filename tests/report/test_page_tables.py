"""Cells of tables are labelled with their columns, as text alone."""

import re
from html import unescape

import pytest
from markupsafe import Markup

from tabproof.report import render_report
from tabproof.report.page import labelled
from tabproof.text import LANGUAGES
from tests.report.making import facts_of

TABLE = Markup(
    """<thead><tr>
<th scope="col" class="number">Rows of <bdi>&#34;a&#34; &lt;b&gt;</bdi></th>
<th scope="col">Name</th>
<th scope="col"></th>
</tr></thead>
<tbody>
<tr class="chosen"><td class="number">1</td><th scope="row">x</th><td><b>y</b></td></tr>
<tr><td>2</td><th scope="row">z</th><td></td></tr>
</tbody>"""
)


def test_cells_have_roles_and_the_heading_of_their_column() -> None:
    found = labelled(TABLE)
    assert found.count('data-label="Rows of &quot;a&quot; &lt;b&gt;"') == 2
    first = '<tr class="chosen" role="row"><td class="number" role="cell" data-label="Rows'
    assert first in found
    assert found.count('<th scope="row" role="rowheader" data-label="Name">') == 2
    assert '<td role="cell"><b>y</b></td>' in found
    assert found.count('role="columnheader"') == 3
    assert found.count('role="rowgroup"') == 2
    assert re.sub(r' (role|data-label)="[^"]*"', "", found) == TABLE


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_row_of_a_report_has_a_cell_for_each_heading(language: str) -> None:
    page = render_report(facts_of(), language)
    tables = re.findall(r"<table.*?</table>", page, re.DOTALL)
    assert len(tables) > 5
    for table in tables:
        headings = re.findall(r'<th scope="col"[^>]*>(.*?)</th>', table, re.DOTALL)
        words = [unescape(re.sub("<[^>]*>", "", each)).strip() for each in headings]
        for row in re.findall(r"<tr[^>]*>(.*?)</tr>", table, re.DOTALL)[1:]:
            cells = re.findall(r"<t[hd]([^>]*)>", row)
            labels = [re.findall(r'data-label="([^"]*)"', each) for each in cells]
            assert [unescape("".join(each)) for each in labels] == words
