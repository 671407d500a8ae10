import os
import urllib.request

request = urllib.request.Request(
    os.environ["@ADDRESS@"],
    headers={"Authorization": f"Bearer {os.environ['@KEY@']}"},
)
with urllib.request.urlopen(request, timeout=10) as answer:
    print(answer.read().decode())
