"""`register/<Remote Product ID>/`: where Elevate's *Register* button sends a visitor. For everybody, logged in or not.

A GET shows a page with one button and changes nothing, whoever asks: a robot, a browser that fetches ahead. What is
put in a cart is asked for by POST with a CSRF token; a script presses the button for a visitor who looks at the page.
"""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.http import require_http_methods

from elevate_integration.members import arriving
from elevate_integration.members.arriving import Arrival, Way
from elevate_integration.orders.source import SoldOutError

# 200: the address is right, and may lead to a cart tomorrow. Gone: staff took the product out of sale.
_STATUS = {Way.UNKNOWN: 404, Way.INACTIVE: 410, Way.SOLD_OUT: 200}


@never_cache
@csrf_protect
@require_http_methods(["GET", "HEAD", "POST"])
def register(request: HttpRequest, remote_product_id: str) -> HttpResponse:
    """Bring a visitor from Elevate to the product he came for, or to his course if he has it already."""
    found = arriving.arrival(request.user, remote_product_id)
    answer: HttpResponse
    if found.way is Way.HIS:
        answer = HttpResponseRedirect(found.url) if found.url else redirect("elevate_integration:courses")
    elif found.way is not Way.OFFERED:
        answer = _not_offered(request, found)
    elif request.method == "POST":
        answer = _put_in_cart(request, found, remote_product_id)
    else:
        data = {"arrival": found, "fills_carts": arriving.fills_carts()}
        answer = render(request, "elevate_integration/register.html", data)
    answer.headers["X-Robots-Tag"] = "noindex, nofollow"
    return answer


def _put_in_cart(request: HttpRequest, found: Arrival, remote_product_id: str) -> HttpResponse:
    try:
        url = arriving.put_in_cart(request, found)
    except SoldOutError as error:
        return _not_offered(request, Arrival(Way.SOLD_OUT, found.title, url=found.url), str(error))
    if not url:
        return _not_offered(request, Arrival(Way.INACTIVE, found.title))
    arriving.remember(request, remote_product_id)
    return HttpResponseRedirect(url)


def _not_offered(request: HttpRequest, found: Arrival, said: str = "") -> HttpResponse:
    data = {"arrival": found, "said": said}
    return render(request, "elevate_integration/not_offered.html", data, status=_STATUS[found.way])
