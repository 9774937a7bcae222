"""What holds for every machine, whoever wrote it."""

import pulumi

DOMAIN = "libvirt:index/domain:Domain"


def describe(args: pulumi.ResourceTransformationArgs):
    if args.type_ == DOMAIN:
        return pulumi.ResourceTransformationResult({**args.props, "description": f"machine {args.name}"}, args.opts)
    return None


async def never_run(args: pulumi.ResourceTransformArgs):
    if args.type_ == DOMAIN:
        return pulumi.ResourceTransformResult({**args.props, "running": False}, args.opts)
    return None


def small(args):
    """Works as a transformation and as a transform: both have the same words for it."""
    if args.type_ != DOMAIN:
        return None
    result = (
        pulumi.ResourceTransformationResult
        if isinstance(args, pulumi.ResourceTransformationArgs)
        else pulumi.ResourceTransformResult
    )
    return result({**args.props, "memory": 64}, args.opts)
