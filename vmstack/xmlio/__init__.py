"""Configs to and from libvirt's XML: conversion in both directions, without policy and without I/O."""
