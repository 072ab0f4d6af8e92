"""What the hostile, the careless and the unlucky cost: for each of them, most resident memory of the service and how long
/livez takes meanwhile. Usage: measure.py PORT PID PASSWORD. Standard library only."""

import concurrent.futures, hashlib, http.client, json, os, socket, statistics, struct, sys, threading, time, zlib

PORT, PID, PASSWORD = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]


def request(method, path, body=None, headers=None, timeout=60):
    connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=timeout)
    try:
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def send(method, path, value=None, token=None):
    headers = {"content-type": "application/json"}
    if token:
        headers["authorization"] = f"Bearer {token}"
    status, body = request(method, path, json.dumps(value) if value is not None else None, headers)
    return status, json.loads(body) if body else None


def resident():
    """MiB of the service itself; photos are looked at in other processes."""
    with open(f"/proc/{PID}/status") as status:
        line = next(line for line in status if line.startswith("VmRSS:"))
    return int(line.split()[1]) / 1024


class Watch:
    """Looks at memory and /livez ten times a second for as long as it is open."""

    def __init__(self, name):
        self.name, self.peak, self.waits, self.failed, self.over = name, 0, [], 0, threading.Event()

    def look(self):
        while not self.over.is_set():
            begin = time.monotonic()
            try:
                status, _ = request("GET", "/livez", timeout=30)
                self.failed += status != 200
            except OSError:
                self.failed += 1
            self.waits.append(1000 * (time.monotonic() - begin))
            self.peak = max(self.peak, resident())
            time.sleep(0.1)

    def __enter__(self):
        self.before = resident()
        self.thread = threading.Thread(target=self.look)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()

    def say(self, note):
        worst, median = max(self.waits), statistics.median(self.waits)
        failed = f", {self.failed} not answered" if self.failed else ""
        print(f"{self.name:<34} {self.before:6.0f} -> {self.peak:6.0f} MiB   /livez {median:7.1f} ms, at most {worst:8.1f} ms{failed}   {note}", flush=True)


def many(count, task, at_once=None):
    with concurrent.futures.ThreadPoolExecutor(at_once or count) as pool:
        def safely(number):
            try:
                return task(number)
            except OSError as error:
                return type(error).__name__
        return list(pool.map(safely, range(count)))


def tally(answers):
    return ", ".join(f"{answers.count(answer)} x {answer}" for answer in sorted(set(answers), key=str))


def sign_ins():
    with Watch("500 sign-ins at once") as watch:
        body = lambda number: {"email": f"somebody{number}@example.org", "password": "a-wrong-password-2026"}
        answers = many(500, lambda number: send("POST", "/v1/auth/sign-in", body(number))[0])
    watch.say(tally(answers))


def slow_bodies():
    with Watch("500 bodies that never come") as watch:
        sockets = []
        for _ in range(500):
            one = socket.create_connection(("127.0.0.1", PORT))
            one.sendall(b"POST /v1/auth/sign-in HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{")
            sockets.append(one)
        time.sleep(1)
        answers = many(40, lambda number: request("GET", f"/v1/storefront/products?limit=2&price_max={10**6 + number}")[0], 8)
        time.sleep(5)
        for one in sockets:
            one.close()
    watch.say(f"searches meanwhile: {tally(answers)}")


def idle_readers():
    with Watch("300 readers that don't read") as watch:
        sockets = []
        for _ in range(300):
            one = socket.socket()
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            one.connect(("127.0.0.1", PORT))
            one.sendall(b"GET /v1/storefront/feeds/products.ndjson HTTP/1.1\r\nhost: x\r\n\r\n")
            sockets.append(one)
        time.sleep(60)
        ended = 0
        for one in sockets:
            one.setblocking(False)
            try:
                while one.recv(1 << 20):
                    pass
                ended += 1
            except BlockingIOError:
                pass
            except OSError:
                ended += 1
            one.close()
    watch.say(f"{ended} ended by the service within 60 s")


def uploads(token, sme):
    digest = hashlib.sha256(b"x").hexdigest()
    body = {"sme_id": sme, "content_type": "image/jpeg", "bytes": 20 << 20, "sha256": digest}
    with Watch("1,000 uploads begun") as watch:
        answers = many(1000, lambda _: send("POST", "/v1/uploads", body, token)[0], 32)
    watch.say(tally(answers))


def facets():
    path = "/v1/storefront/products?limit=2&facets=" + ",".join(["sme", "category", "price", "region"] * 375)
    with Watch("3 x 1,500 facets") as watch:
        begin = time.monotonic()
        answers = many(3, lambda number: request("GET", f"{path}&price_min={number}")[0])
        took = time.monotonic() - begin
    watch.say(f"{tally(answers)} in {took:.2f} s")
    short = "/v1/storefront/products?limit=2&facets=sme,category,price,region,sme,category,price,region"
    with Watch("30 x 8 facets, 3 at a time") as watch:
        begin = time.monotonic()
        answers = many(30, lambda number: request("GET", f"{short}&price_min={number}")[0], 3)
        took = time.monotonic() - begin
    watch.say(f"{tally(answers)} in {took:.2f} s")


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def bomb(size):
    deflate = zlib.compressobj(9)
    profile = b"".join([deflate.compress(bytes(1 << 20)) for _ in range(size >> 20)]) + deflate.flush()
    head = struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0)
    rows = zlib.compress(b"".join(b"\0" + bytes(24) for _ in range(8)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"iCCP", b"x\0\0" + profile) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def bombs(token, sme):
    files = [bomb((500 << 20) + (number << 20)) for number in range(10)]
    def upload(number):
        head = b'--x\r\ncontent-disposition: form-data; name="file"; filename="a.png"\r\ncontent-type: image/png\r\n\r\n'
        body = head + files[number] + b"\r\n--x--\r\n"
        headers = {"authorization": f"Bearer {token}", "content-type": "multipart/form-data; boundary=x"}
        return request("POST", f"/v1/media?sme_id={sme}", body, headers)[0]
    with Watch("10 iCCP bombs of 500 MB") as watch:
        answers = many(10, upload)
    watch.say(tally(answers))


_, signed_in = send("POST", "/v1/auth/sign-in", {"email": "owner@demo.example", "password": PASSWORD})
owner = signed_in["token"]
_, me = send("GET", "/v1/me", token=owner)
facets()
uploads(owner, me["smes"][0]["sme_id"])
bombs(owner, me["smes"][0]["sme_id"])
slow_bodies()
idle_readers()
sign_ins()
