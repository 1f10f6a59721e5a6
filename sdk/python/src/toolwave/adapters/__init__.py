"""Tools of a cluster inside of agent frameworks, one module for each; nothing is imported before it is asked for.

    pip install 'toolwave[langchain]'       from toolwave.adapters import langchain
    pip install 'toolwave[openai-agents]'   from toolwave.adapters import openai_agents
    pip install 'toolwave[pydantic-ai]'     from toolwave.adapters import pydantic_ai
    pip install 'toolwave[llama-index]'     from toolwave.adapters import llama_index

What a tool says of a failure reaches the model in the framework's own way and disturbs no other call. What fails for
all calls alike, such as a coordinator that cannot be reached, is raised.
"""
