"""What a developer does first with the generated client; stops at the first answer that is not as documented."""
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TypeVar
from uuid import UUID, uuid4

import httpx
from etalase_client import AuthenticatedClient, Client
from etalase_client.api.identity import get_me, sign_in
from etalase_client.api.integrations import create_webhook_endpoint, delete_webhook_endpoint, test_webhook_endpoint
from etalase_client.api.media import get_photo
from etalase_client.api.products import create_product, edit_product, get_product, list_products
from etalase_client.api.storefront import (
    browse_exhibitions,
    browse_products,
    get_public_exhibition,
    get_public_lineup,
    get_public_product,
)
from etalase_client.models import (
    EventKind,
    FoundCard,
    ExhibitionStatus,
    Format,
    ListingStatus,
    Localized,
    Me,
    MediaStatus,
    MoneyInput,
    NewProduct,
    NewVariant,
    NewWebhookEndpoint,
    ProductList,
    PageProductSummary,
    PagePublicExhibition,
    PagePublicLineupItem,
    Photo,
    Problem,
    Product,
    ProductPage,
    ProductPatch,
    PublicExhibition,
    SignedIn,
    SignIn,
    Sort,
    WebhookDelivery,
    WebhookEndpoint,
)
from etalase_client.types import UNSET
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

T = TypeVar("T")


def good(what: str, answer: object, shape: type[T]) -> T:
    """What was answered, or an end that says why not."""
    assert isinstance(answer, shape), f"{what}: {answer}"
    return answer


def refused(what: str, answer: object, status: int, code: str) -> Problem:
    """The problem that was answered instead."""
    problem = good(what, answer, Problem)
    assert (problem.status, problem.code) == (status, code), f"{what}: {problem}"
    return problem


def browse(visitor: Client, limit: int) -> list[FoundCard]:
    cards: list[FoundCard] = []
    cursor: str | None = None
    while True:
        answer = browse_products.sync(client=visitor, category=["keripik"], sort=Sort.PRICE, limit=limit, cursor=cursor or UNSET)
        page = good("a page of products", answer, ProductList)
        assert len(page.data) <= limit, f"{len(page.data)} products on a page of {limit}"
        cards += page.data
        cursor = page.page.next_cursor or None
        if cursor is None:
            return cards


def visit(visitor: Client, base: str) -> str:
    cards = browse(visitor, 3)
    ids = [card.id for card in cards]
    assert len(ids) > 3, "the demo data have more than a page of keripik"
    assert len(set(ids)) == len(ids), "a product is on two pages"
    assert ids == [card.id for card in browse(visitor, 100)], "pages of 3 and of 100 hold other products"
    assert all(card.category.slug == "keripik" for card in cards), "the filter let other categories pass"
    prices = [card.price.amount_minor for card in cards]
    assert prices == sorted(prices), "not in the order of prices"

    page = good("a product page", get_public_product.sync(ids[0], client=visitor), ProductPage)
    assert page.title == cards[0].title, "the page and the list have two titles"
    english = get_public_product.sync(ids[0], client=visitor, accept_language="en")
    assert good("a product page in English", english, ProductPage).title != page.title, "the English title is the Indonesian one"
    pictures = [rendition for image in page.images for rendition in image.renditions if rendition.format_ is Format.WEBP]
    assert pictures, "the product has no photo in WebP"
    assert len(httpx.get(base + pictures[0].url).content) == pictures[0].bytes_, "the rendition is of another length"

    exhibitions = good("exhibitions", browse_exhibitions.sync(client=visitor), PagePublicExhibition).data
    slugs = [exhibition.slug for exhibition in exhibitions if exhibition.status is ExhibitionStatus.LINEUP_PUBLISHED]
    assert slugs, "no exhibition has a published line-up"
    exhibition = good("an exhibition", get_public_exhibition.sync(slugs[0], client=visitor), PublicExhibition)
    assert exhibition.lineup_is_public and exhibition.dates_label, "the exhibition does not say when, or that its line-up is public"
    lineup = good("a line-up", get_public_lineup.sync(slugs[0], client=visitor), PagePublicLineupItem)
    assert lineup.data and all(item.product.title for item in lineup.data), "the line-up is empty"

    nothing = get_public_product.sync(uuid4(), client=visitor)
    assert refused("a product that is not there", nothing, 404, "not_found").title, "a problem without a title"
    return f"{len(cards)} products in pages, {len(lineup.data)} in the line-up"


def sell(owner: AuthenticatedClient) -> str:
    me = good("me", get_me.sync(client=owner), Me)
    assert me.email == "owner@demo.example", "signed in as somebody else"
    assert me.smes, "the demo owner has no SME"
    sme_id: UUID = me.smes[0].sme_id

    draft = NewProduct(
        sme_id=sme_id,
        category="suvenir-limbah",
        title=Localized(id="Lampu meja dari klien Python", en="Table lamp from the Python client"),
        description=Localized(id="Untuk dihapus."),
        variants=[NewVariant(price=MoneyInput(value="150000"))],
    )
    key = str(uuid4())
    first = create_product.sync_detailed(client=owner, body=draft, idempotency_key=key)
    product = good("a draft", first.parsed, Product)
    assert product.status is ListingStatus.DRAFT, "a new product is no draft"
    assert product.variants[0].price.amount_minor == 15_000_000, "the price is another"
    again = create_product.sync(client=owner, body=draft, idempotency_key=key)
    assert good("the draft again", again, Product).id == product.id, "the same key made a second product"

    stale = first.headers["ETag"]
    patch = ProductPatch(description=None, lead_time_days=5)
    edited = edit_product.sync_detailed(product.id, client=owner, body=patch, if_match=stale)
    after = good("an edit", edited.parsed, Product)
    assert after.lead_time_days == 5 and not after.description, "the edit changed something else"
    assert edited.headers["ETag"] != stale, "the edit left the ETag as it was"
    late = edit_product.sync(product.id, client=owner, body=patch, if_match=stale)
    refused("an edit with a stale ETag", late, 412, "precondition_failed")

    own = good("the SME's products", list_products.sync(client=owner, sme_id=sme_id, limit=100), PageProductSummary).data
    assert any(one.id == product.id and one.status is ListingStatus.DRAFT for one in own), "the draft is not in the list"
    shown = [one.id for one in own if one.status is ListingStatus.PUBLISHED]
    assert shown, "the demo owner has published nothing"
    listing = good("a product", get_product.sync(shown[0], client=owner), Product)
    assert listing.images, "the product has no photo"
    photo = good("a photo", get_photo.sync(listing.images[0].photo.id, client=owner), Photo)
    assert photo.status is MediaStatus.READY and photo.renditions, "the photo is not ready"
    return "one draft made once and edited once"


class Receiver(BaseHTTPRequestHandler):
    """A server of ours, which keeps what it is told."""

    told: list[tuple[str, dict[str, str]]] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        self.told.append((body, {name.lower(): value for name, value in self.headers.items()}))
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


def hear(owner: AuthenticatedClient) -> str:
    """The library that Standard Webhooks publishes believes what a server is told."""
    me = good("me", get_me.sync(client=owner), Me)
    with HTTPServer(("127.0.0.1", 0), Receiver) as server:
        server.timeout = 30
        url = f"http://127.0.0.1:{server.server_port}/hooks"
        new = NewWebhookEndpoint(sme_id=me.smes[0].sme_id, url=url, events=[EventKind.PRODUCT_CHANGED])
        hook = good("a webhook endpoint", create_webhook_endpoint.sync(client=owner, body=new), WebhookEndpoint)
        assert hook.secret, "the endpoint has no secret"
        good("a test", test_webhook_endpoint.sync(hook.id, client=owner), WebhookDelivery)
        server.handle_request()
    body, headers = Receiver.told[0]
    library = Webhook(hook.secret)
    assert library.verify(body, headers)["type"] == "ping", "another event"
    try:
        library.verify(body.replace("ping", "pong"), headers)
    except WebhookVerificationError:
        pass
    else:
        raise AssertionError("a message that was changed is believed")
    assert delete_webhook_endpoint.sync_detailed(hook.id, client=owner).status_code == 204, "the endpoint stays"
    return "one webhook verified"


def main(base: str, password: str) -> None:
    # A status that the document does not name is an error, not an empty answer.
    with Client(base, raise_on_unexpected_status=True) as visitor:
        browsed = visit(visitor, base)
        signed_in = good("sign-in", sign_in.sync(client=visitor, body=SignIn(email="owner@demo.example", password=password)), SignedIn)
    with AuthenticatedClient(base, signed_in.token, raise_on_unexpected_status=True) as owner:
        print(f"python: {browsed}, {sell(owner)}, {hear(owner)}")


main(*sys.argv[1:])
