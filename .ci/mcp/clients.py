"""Takes a tour of the tools with two clients of MCP in Python, each in the protocol's revisions that it knows."""

import asyncio
import json
import os

import httpx2
from fastmcp import Client as FastClient
from fastmcp.client.transports import StreamableHttpTransport
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

URL = os.environ["MCP_URL"]
HEADERS = {"X-API-Key": os.environ["API_KEY"]}
TOOLS = sorted(
    "add_task list_tasks complete_task update_task delete_task query_profits summarize_profits query_audit".split()
    + "list_ranges read_cells find aggregate".split()
)


async def tour(name, tools, call):
    """Lists the tools, and calls them. `call` gives structured content, text and whether the call failed."""
    assert tools == TOOLS, tools
    arguments = {"title": f"Ask {name} <b>", "due_date": "2027-01-31", "idempotency_key": f"tour {name}"}
    task, text, failed = await call("add_task", arguments)
    assert not failed and json.loads(text) == task and task["title"] == arguments["title"], text
    again, _, _ = await call("add_task", arguments)
    assert again["id"] == task["id"], again
    listed, _, _ = await call("list_tasks", {"query": name})
    assert [item["id"] for item in listed["items"]] == [task["id"]], listed
    changed, _, _ = await call("update_task", {"id": task["id"], "description": "by phone", "due_date": None})
    assert (changed["description"], changed["due_date"]) == ("by phone", None), changed
    done, _, _ = await call("complete_task", {"id": task["id"]})
    assert done["status"] == "completed", done
    _, _, failed = await call("delete_task", {"id": task["id"]})
    assert not failed
    _, text, failed = await call("complete_task", {"id": task["id"]})
    assert failed, text
    _, text, failed = await call("add_task", {"title": "", "colour": "red"})
    assert failed and "/title" in text and "/colour" in text, text
    profits, _, _ = await call("query_profits", {"company": "Alpha", "year": 2023, "size": 12})
    assert profits["total"] == 12 and isinstance(profits["items"][0]["profit"], str), profits
    sums, _, _ = await call("summarize_profits", {"group_by": "company", "year": 2023})
    assert len(sums["items"]) == 5 and sums["items"][0]["count"] == 12, sums
    events, _, _ = await call("query_audit", {"action": "task.", "actor": "me", "limit": 5})
    assert events["items"][0]["detail"]["via"] == "mcp", events
    ranges, _, failed = await call("list_ranges", {})
    assert not failed, ranges
    print(f"{name}: {len(tools)} tools")


def content(result):
    """The first text of a result."""
    return result.content[0].text


async def with_mcp(mode):
    async with httpx2.AsyncClient(headers=HEADERS, timeout=30) as http:
        async with Client(streamable_http_client(URL, http_client=http), mode=mode) as client:
            tools = [tool.name for tool in (await client.list_tools()).tools]

            async def call(tool, arguments):
                result = await client.call_tool(tool, arguments)
                return result.structured_content, content(result), bool(result.is_error)

            await tour(f"mcp {mode}", tools, call)


async def with_fastmcp():
    async with FastClient(StreamableHttpTransport(URL, headers=HEADERS)) as client:
        tools = [tool.name for tool in await client.list_tools()]

        async def call(tool, arguments):
            result = await client.call_tool(tool, arguments, raise_on_error=False)
            return result.structured_content, content(result), result.is_error

        await tour("fastmcp", tools, call)


async def main():
    await with_mcp("auto")
    await with_mcp("legacy")
    await with_fastmcp()


asyncio.run(main())
